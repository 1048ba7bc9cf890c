"""DNS: the short TTL before the window, and the change itself."""

import logging
import time
from collections.abc import Callable, Sequence

from fixtures.connect.cloud import Cloud
from fixtures.connect.host import Host
from fixtures.connect.nameservers import Dns, DnsAnswer
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.plan import DnsRecord, Plan
from fixtures.policy.dnsclock import clock_file, load_clock, observe, place, save_clock
from fixtures.run.evidence import now
from fixtures.run.journal import DnsChanged
from fixtures.run.records import DnsBefore, TargetFacts
from fixtures.run.run import Run
from steps.night import following
from steps.night.providers import Change, Provider
from steps.night.providers.manual import Manual
from steps.night.providers.rfc2136 import Rfc2136
from steps.night.providers.route53 import Route53
from steps.step import step
from steps.tools.records import read_before

log = logging.getLogger(__name__)

QUIET_SECONDS = 15.0
"""Seconds between two lines of progress while a name server is waited for."""


@step(needs=["rehearsed"], gives=["ttl_lowered"])
def lower_ttl(plan: Plan, run: Run, dns: Dns, cloud: Cloud) -> None:
    """Lower the records' TTL on every authoritative server, so that the change is seen within minutes."""
    if not run.has(DnsBefore):
        run.record(read_before(plan, dns))
    # Before the change, and after it: the clock must know which TTL caches may have read until now.
    look_at_clock(plan, run, dns)
    before = run.records(DnsBefore)
    provider = provider_of(plan, dns, cloud)
    changes = []
    for record in plan.dns.records:
        answer = dns.ask(plan.dns.primary, record.name, record.type)
        if answer.ttl is None or answer.ttl > plan.dns.ttl:
            values = tuple(before.records[str(record)])
            changes.append(Change(record, values, plan.dns.ttl, expected=values))
    if changes:
        provider.change(changes)
    low = f"TTL <= {plan.dns.ttl}"
    for record in plan.dns.records:
        wait_served(dns, record, lambda a: a.ttl is not None and a.ttl <= plan.dns.ttl, low, provider.patience)
    look_at_clock(plan, run, dns)


@step(needs=["target_open", "source_closed"], gives=["dns_changed"])
def change_dns(plan: Plan, run: Run, dns: Dns, cloud: Cloud, source: Host, target: Host) -> None:
    """Point every record of the plan from production to the target, see it everywhere, and see users move."""
    facts = run.records(TargetFacts)
    instance = cloud.instance()
    # The executor proves the instance by its IPv4 address alone, because that is how we reach it.
    if facts.ipv6_address and (instance is None or instance.ipv6_address != facts.ipv6_address):
        raise Refused(
            "the target's IPv6 address",
            expected=f"{facts.ipv6_address}, as recorded",
            found=(instance.ipv6_address if instance else None) or "none",
            remedy="assign the recorded address to the instance again; DNS was not changed",
        )
    before = run.records(DnsBefore)
    following.begin(plan, run, source, target)
    point(
        dns,
        provider_of(plan, dns, cloud),
        [
            Change(record, (facts.address(record.type),), plan.dns.ttl, expected=tuple(before.records[str(record)]))
            for record in plan.dns.records
        ],
    )
    if not run.happened(DnsChanged):
        now_held = {str(record): facts.address(record.type) for record in plan.dns.records}
        run.journal(DnsChanged(records=now_held))
    following.follow(plan, run, dns, source, target)


def provider_of(plan: Plan, dns: Dns, cloud: Cloud) -> Provider:
    """The way in which the plan's zone is changed."""
    match plan.dns.provider:
        case "rfc2136":
            return Rfc2136(plan.dns)
        case "route53":
            return Route53(plan.dns, cloud)
        case "manual":
            return Manual(dns)


def look_at_clock(plan: Plan, run: Run, dns: Dns) -> None:
    """Ask every authoritative server for every record, and keep what it said in the DNS clock."""
    before, path = run.records(DnsBefore), clock_file(plan, run)
    known = clock = load_clock(path)
    for record in plan.dns.records:
        for server in plan.dns.authoritative:
            ttl = dns.ask(server, record.name, record.type).ttl
            if ttl is not None:
                where, ttl_before = place(record, server), before.ttls[str(record)]
                clock = observe(clock, where, ttl, low=plan.dns.ttl, at=now(), before=ttl_before)
    if clock != known:
        save_clock(path, clock)


def restore(plan: Plan, before: DnsBefore, dns: Dns, cloud: Cloud) -> None:
    """Have every record hold what it held before gonogo touched it, with the TTL it had."""
    changes = [
        Change(record, tuple(before.records[str(record)]), before.ttls[str(record)]) for record in plan.dns.records
    ]
    point(dns, provider_of(plan, dns, cloud), changes)


def point(dns: Dns, provider: Provider, changes: Sequence[Change]) -> None:
    """Have records hold these values with these TTLs on every authoritative server; what they hold already is not changed."""
    wanted = []
    for change in changes:
        answer = dns.ask(dns.plan.primary, change.record.name, change.record.type)
        if not _holds(answer, change):
            # With the right values already, only the TTL is missing.
            same = answer.values == tuple(sorted(change.values))
            wanted.append(Change(change.record, change.values, change.ttl, None if same else change.expected))
    if wanted:
        provider.change(wanted)
    for change in changes:
        expected = f"{', '.join(change.values)}, TTL {change.ttl}"
        wait_served(dns, change.record, lambda a, c=change: _holds(a, c), expected, provider.patience)  # type: ignore[misc]  # bound now


def _holds(answer: DnsAnswer, change: Change) -> bool:
    return (answer.values, answer.ttl) == (tuple(sorted(change.values)), change.ttl)


def wait_served(dns: Dns, record: DnsRecord, good: Callable[[DnsAnswer], bool], wanted: str, patience: float) -> None:
    """Wait until every authoritative server gives a good answer; raises `StepFailed` naming the one that does not.

    `patience` in seconds, for each server. A server that is silent meanwhile is asked again.
    """
    for server in dns.plan.authoritative:
        deadline = time.monotonic() + patience
        news = time.monotonic() + QUIET_SECONDS
        while True:
            try:
                answer = dns.ask(server, record.name, record.type)
            except CouldNotVerify:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
                continue
            if good(answer):
                break
            found = f"{', '.join(answer.values) or 'no record'}, TTL {answer.ttl}"
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"{record} on {server.name}",
                    expected=wanted,
                    found=f"{found}, after {patience:.0f} seconds",
                    remedy="see that the record is changed on the primary, and that this server takes the zone from it; then "
                    "run the same command again",
                )
            if time.monotonic() > news:
                log.info("waiting for %s on %s: %s, found %s", str(record), server.name, wanted, found)
                news = time.monotonic() + QUIET_SECONDS
            time.sleep(0.3)
        log.info("%s on %s: %s, TTL %s", str(record), server.name, ", ".join(answer.values), answer.ttl)
