"""The announced window has begun, and caches have forgotten the old TTL."""

import pytest

from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import NoGo
from fixtures.facts import network
from fixtures.facts.wanted import in_dns
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.policy import window
from fixtures.policy.dnsclock import clock_file, load_clock, place
from fixtures.run.evidence import now
from fixtures.run.run import Run

pytestmark = pytest.mark.window_open


def check_old_ttl_has_run_out(record: DnsRecord, name_server: NameServer, plan: Plan, run: Run) -> None:
    """Whatever TTL a name server served before the short one has run out in every cache."""
    seen = load_clock(clock_file(plan, run)).places.get(place(record, name_server))
    if seen is None:
        raise NoGo(
            f"the DNS clock: {place(record, name_server)}",
            expected="the server was seen with the short TTL",
            found="never looked at",
            remedy="`gonogo run --until window_open` looks, and waits",
        )
    if seen.since is None:
        raise NoGo(
            f"the DNS clock: {place(record, name_server)}",
            expected=f"a TTL of {plan.dns.ttl} s or less",
            found=f"{seen.ttl} s when the server was last asked",
            remedy="`gonogo run --until ttl_lowered` lowers it; from then on the old TTL has to run out",
        )
    if seen.runs_out > now():
        raise NoGo(
            f"the DNS clock: {place(record, name_server)}",
            expected=f"the old TTL of {seen.old} s has run out",
            found=f"it runs out at {window.in_words(plan, seen.runs_out)}",
            remedy="wait until then: `gonogo run --until window_open` does",
        )


def check_resolver_forgot_the_old_ttl(
    record: DnsRecord,
    resolver: NameServer,
    plan: Plan,
    answer: DnsAnswer = in_dns(lambda record, resolver: network.of_record(record, resolver)),
) -> None:
    """No caching resolver still holds a record for longer than the short TTL."""
    if answer.ttl is None:
        raise NoGo(
            f"{record} in the cache of {resolver.name}",
            expected=f"held for {plan.dns.ttl} seconds at most",
            found="no such record",
            remedy="see that the zone has the record, and that the resolver reaches its name servers; then the same command",
        )
    if answer.ttl > plan.dns.ttl:
        raise NoGo(
            f"{record} in the cache of {resolver.name}",
            expected=f"held for {plan.dns.ttl} seconds at most",
            found=f"held for {answer.ttl} seconds",
            remedy=f"wait {answer.ttl} seconds: it took the record before the TTL was lowered",
        )


def check_announced_window_is_open(plan: Plan) -> None:
    """It is the announced time, and the outage budget still fits into it."""
    at = now()
    if not window.is_open(plan, at):
        raise NoGo(
            "the announced window",
            expected=f"open from {window.in_words(plan, window.first_moment(plan))} to close production until "
            f"{window.in_words(plan, window.last_moment(plan))}",
            found=f"it is {window.in_words(plan, at)}",
            remedy="wait for it" if at < window.first_moment(plan) else "announce another window: [notice] in the plan",
        )
