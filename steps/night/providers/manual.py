"""A zone that only a person can change: gonogo says what to change, waits, and verifies."""

import logging
from collections.abc import Sequence

from fixtures.connect.nameservers import Dns, DnsAnswer
from steps.night.providers import Change

log = logging.getLogger("steps.night.providers")


class Manual:
    """Says what is to be changed; the caller waits until the name servers serve it."""

    patience = 1800.0
    """Half an hour for a person with a browser and a ticket."""

    def __init__(self, dns: Dns) -> None:
        self.dns = dns

    def change(self, changes: Sequence[Change]) -> None:
        """Say what to change where."""
        zone, primary = self.dns.plan.zone, self.dns.plan.primary
        log.info("change this in the zone %s, where it is edited:", zone)
        for change in changes:
            log.info("%s", instruction(change, self.dns.ask(primary, change.record.name, change.record.type)))
        log.info("waiting for it on every name server, %.0f minutes at most", self.patience / 60)


def instruction(change: Change, answer: DnsAnswer) -> str:
    """One change for people: what the record is to hold, and what it holds now."""
    now = f"{', '.join(answer.values)}, TTL {answer.ttl}" if answer.values else "no such record"
    wanted = f"{', '.join(change.values)}, TTL {change.ttl}"
    return f"  {change.record.name}  {change.record.type}  {wanted}  (now: {now})"
