"""DNS records have a short TTL everywhere, so that the change is seen within minutes."""

import pytest

from fixtures.evidence import DnsBefore
from fixtures.nameservers import Dns
from fixtures.plan import Plan, Record, Server
from fixtures.run import Run
from fixtures.verdict import problem

pytestmark = pytest.mark.ttl_lowered

LONGEST = 300
"""Seconds: the article's own limit."""


def check_ttl_is_low(record: Record, name_server: Server, plan: Plan, dns: Dns) -> None:
    """Every authoritative server serves every record with a TTL of 300 seconds at most."""
    answer = dns.ask(name_server, record.name, record.type)
    low = answer.ttl is not None and answer.ttl <= LONGEST
    assert low, problem(
        f"DNS TTL is {answer.ttl}, must be <= {LONGEST}: {record.name} {record.type} on {name_server.name}",
        expected=f"a TTL of {plan.dns.ttl}, as in the plan",
        found=f"{answer.ttl} seconds" if answer.ttl is not None else "no such record",
        remedy="`gonogo run --until ttl_lowered` lowers it; a secondary must take the zone from the primary",
    )


def check_ttl_is_the_plans(record: Record, name_server: Server, plan: Plan, dns: Dns) -> None:
    """Every authoritative server serves every record with the plan's TTL, or a shorter one."""
    answer = dns.ask(name_server, record.name, record.type)
    low = answer.ttl is not None and answer.ttl <= plan.dns.ttl
    assert low, problem(
        f"DNS TTL is {answer.ttl}, must be <= {plan.dns.ttl} (dns.ttl): {record.name} {record.type} on {name_server.name}",
        expected=f"a TTL of {plan.dns.ttl}, as in the plan",
        found=f"{answer.ttl} seconds" if answer.ttl is not None else "no such record",
        remedy="`gonogo run --until ttl_lowered` lowers it; a secondary must take the zone from the primary",
    )


def check_answer_is_authoritative(record: Record, name_server: Server, dns: Dns) -> None:
    """Every name server of the plan speaks for the zone itself: a cache's TTL would prove nothing."""
    answer = dns.ask(name_server, record.name, record.type)
    assert answer.authoritative, problem(
        f"{record.name} {record.type} on {name_server.name}",
        expected="an authoritative answer",
        found="one from a cache or a forwarder",
        remedy="list the zone's own servers in dns.primary and dns.secondaries",
    )


def check_resolver_forgot_the_old_ttl(record: Record, resolver: Server, plan: Plan, dns: Dns) -> None:
    """No caching resolver still holds a record for longer than the short TTL."""
    answer = dns.ask(resolver, record.name, record.type)
    fresh = answer.ttl is not None and answer.ttl <= plan.dns.ttl
    assert fresh, problem(
        f"{record.name} {record.type} in the cache of {resolver.name}",
        expected=f"held for {plan.dns.ttl} seconds at most",
        found=f"held for {answer.ttl} seconds" if answer.ttl is not None else "no such record",
        remedy=f"wait {answer.ttl} seconds: it was asked before the TTL was lowered",
    )


def check_what_dns_said_is_recorded(record: Record, run: Run) -> None:
    """What DNS said before gonogo touched it is recorded: a back-out restores it."""
    before = run.records(DnsBefore)
    key = f"{record.name} {record.type}"
    known = bool(before.records.get(key)) and before.ttls.get(key, 0) > 0
    assert known, problem(
        f"the record of DNS before the move: {key}",
        expected="its values and TTL",
        found="nothing",
        remedy="run `gonogo run --until ttl_lowered` again",
    )
