"""DNS: the short TTL before the night, and the change itself."""

import logging
import time
from collections.abc import Callable, Sequence

from fixtures.cloud import Cloud
from fixtures.errors import Refused, StepFailed
from fixtures.evidence import DnsBefore, Entry, TargetFacts
from fixtures.nameservers import Answer, Dns
from fixtures.plan import Plan, Record
from fixtures.run import Run
from steps.step import step

log = logging.getLogger(__name__)

PATIENCE = 120.0
"""Seconds that secondaries get to follow the primary."""


@step(needs=["rehearsed"], gives=["ttl_lowered"])
def lower_ttl(plan: Plan, run: Run, dns: Dns) -> None:
    """Lower the records' TTL on every authoritative server, so that the change is seen within minutes."""
    if not run.has(DnsBefore):
        run.record(read_before(plan, dns))
    before = run.records(DnsBefore)
    for record in plan.dns.records:
        answer = dns.ask(plan.dns.primary, record.name, record.type)
        if answer.ttl is None or answer.ttl > plan.dns.ttl:
            values = before.records[key(record)]
            dns.update(record.name, record.type, values, plan.dns.ttl, expected=values)
        wait_served(plan, dns, record, lambda a: a.ttl is not None and a.ttl <= plan.dns.ttl, f"TTL <= {plan.dns.ttl}")


@step(needs=["target_open", "source_closed"], gives=["dns_changed"])
def change_dns(plan: Plan, run: Run, dns: Dns, cloud: Cloud) -> None:
    """Point every record of the plan from production to the target, and see it on every authoritative server."""
    cloud.verify_account()
    facts = run.records(TargetFacts)
    instance = cloud.instance()
    if instance is None or instance.public_address != facts.public_address:
        raise Refused(
            "the target's address",
            expected=f"{facts.public_address}, as recorded",
            found=str(instance.public_address if instance else "no instance"),
            remedy="associate the recorded elastic address with the instance again; DNS was not changed",
        )
    before = run.records(DnsBefore)
    for record in plan.dns.records:
        point(plan, dns, record, [facts.public_address], plan.dns.ttl, expected=before.records[key(record)])
    if not run.happened("dns_changed"):
        run.journal(Entry(kind="dns_changed", detail={"address": facts.public_address}))


def key(record: Record) -> str:
    """How records of evidence name a DNS record: "name type"."""
    return f"{record.name} {record.type}"


def read_before(plan: Plan, dns: Dns) -> DnsBefore:
    """What the primary holds now; raises `Refused` for a record that could not be moved as the plan asks."""
    before = DnsBefore(records={}, ttls={})
    for record in plan.dns.records:
        answer = dns.ask(plan.dns.primary, record.name, record.type)
        if record.type == "AAAA":
            raise Refused(
                f"the record {key(record)}",
                expected="A records: the target has an IPv4 address alone",
                found="an AAAA record in dns.records",
                remedy="take it out of the plan, and out of the zone before the night: it would still name production",
            )
        if answer.ttl is None or answer.values != (str(plan.source.public_address),):
            raise Refused(
                f"the record {key(record)} on {plan.dns.primary.name}",
                expected=f"{plan.source.public_address}, production's address, and no other",
                found=", ".join(answer.values) or "no such record",
                remedy="mend source.public_address or dns.records in the plan",
            )
        before.records[key(record)] = list(answer.values)
        before.ttls[key(record)] = answer.ttl
    return before


def point(
    plan: Plan, dns: Dns, record: Record, values: Sequence[str], ttl: int, *, expected: Sequence[str] | None = None
) -> None:
    """Have a record hold these values with this TTL on every authoritative server; doing it again changes nothing."""
    answer = dns.ask(plan.dns.primary, record.name, record.type)
    if answer.values != tuple(sorted(values)) or answer.ttl != ttl:
        same = answer.values == tuple(sorted(values))
        dns.update(record.name, record.type, values, ttl, expected=None if same else expected)
    wait_served(plan, dns, record, lambda a: a.values == tuple(sorted(values)), ", ".join(values))


def wait_served(plan: Plan, dns: Dns, record: Record, good: Callable[[Answer], bool], wanted: str) -> None:
    """Wait until every authoritative server gives a good answer; raises `StepFailed` naming the one that does not."""
    deadline = time.monotonic() + PATIENCE
    for server in plan.dns.authoritative:
        while not good(answer := dns.ask(server, record.name, record.type)):
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"{key(record)} on {server.name}",
                    expected=wanted,
                    found=f"{', '.join(answer.values) or 'no record'}, TTL {answer.ttl}, after {PATIENCE:.0f} seconds",
                    remedy="see that the secondary takes the zone from the primary; then run the same command again",
                )
            time.sleep(0.3)
        log.info("%s on %s: %s, TTL %s", key(record), server.name, ", ".join(answer.values), answer.ttl)
