"""DNS records have a short TTL everywhere, so that the change is seen within minutes."""

import pytest

from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import NoGo
from fixtures.facts import network
from fixtures.facts.wanted import in_dns
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.run.records import DnsBefore
from fixtures.run.run import Run

pytestmark = pytest.mark.ttl_lowered

LONGEST = 300
"""Seconds: the article's own limit."""


def check_ttl_is_low(
    record: DnsRecord, name_server: NameServer, plan: Plan, answer: DnsAnswer = in_dns(network.of_record)
) -> None:
    """Every authoritative server serves every record with a TTL of 300 seconds at most."""
    _low(record, name_server, plan, answer, LONGEST, str(LONGEST))


def check_ttl_is_the_plans(
    record: DnsRecord, name_server: NameServer, plan: Plan, answer: DnsAnswer = in_dns(network.of_record)
) -> None:
    """Every authoritative server serves every record with the plan's TTL, or a shorter one."""
    _low(record, name_server, plan, answer, plan.dns.ttl, f"{plan.dns.ttl} (dns.ttl)")


def _low(
    record: DnsRecord, name_server: NameServer, plan: Plan, answer: DnsAnswer, limit: int, shown_limit: str
) -> None:
    if answer.ttl is None or answer.ttl > limit:
        raise NoGo(
            f"DNS TTL is {answer.ttl}, must be <= {shown_limit}: {record} on {name_server.name}",
            expected=f"a TTL of {plan.dns.ttl}, as in the plan",
            found=f"{answer.ttl} seconds" if answer.ttl is not None else "no such record",
            remedy="`gonogo run --until ttl_lowered` lowers it; a secondary must take the zone from the primary",
        )


def check_answer_is_authoritative(
    record: DnsRecord, name_server: NameServer, answer: DnsAnswer = in_dns(network.of_record)
) -> None:
    """Every name server of the plan speaks for the zone itself: a cache's TTL would prove nothing."""
    if not answer.authoritative:
        raise NoGo(
            f"{record} on {name_server.name}",
            expected="an authoritative answer",
            found="one from a cache or a forwarder",
            remedy="list the zone's own servers in dns.primary and dns.secondaries",
        )


def check_no_other_family_is_forgotten(
    record: DnsRecord,
    name_server: NameServer,
    answers: dict[str, DnsAnswer] = in_dns(
        lambda name_server, record, plan: network.other_family(name_server, record.name, plan)
    ),
) -> None:
    """No name that moves has an address of the other family that stays behind."""
    forgotten = [f"{kind} {', '.join(answer.values)}" for kind, answer in answers.items() if answer.values]
    if forgotten:
        raise NoGo(
            f"{record.name} on {name_server.name}",
            expected="no address besides the records of the plan",
            found=f"{'; '.join(forgotten)}, forgotten in dns.records",
            remedy="list that record in dns.records (AAAA with source.ipv6_address), or delete it well before the window",
        )


def check_what_dns_said_is_recorded(record: DnsRecord, run: Run) -> None:
    """Values and TTLs that DNS had before gonogo changed them are recorded: a back-out restores them."""
    before = run.records(DnsBefore)
    known = bool(before.records.get(str(record))) and before.ttls.get(str(record), 0) > 0
    if not known:
        raise NoGo(
            f"what the run recorded of {record} before the move",
            expected="its values and TTL",
            found="nothing",
            remedy="run `gonogo run --until ttl_lowered` again",
        )
