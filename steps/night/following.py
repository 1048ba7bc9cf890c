"""After the change: what resolvers still answer, and both access logs, until production has fallen silent."""

import logging
import time
from typing import Literal

from fixtures.connect.host import Host
from fixtures.connect.nameservers import Dns, DnsAnswer
from fixtures.errors import CouldNotVerify
from fixtures.plan import Plan
from fixtures.run.evidence import now
from fixtures.run.records import DnsBefore, TargetFacts, UsersMoved
from fixtures.run.run import Run
from fixtures.scripts import script

log = logging.getLogger(__name__)

AT_MOST = 600.0
"""Seconds: who still asks production by then has no outdated DNS answer, but knows production's address."""
SILENCE = (5.0, 60.0)
"""Seconds without a request that count as silence: the short TTL, within these bounds."""
NEWS = 5.0
"""Seconds between two lines of progress."""

_REQUESTS = script(__file__, "user_requests.sh")


def begin(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Note where both access logs end, so that what comes later can be counted; once a run."""
    if run.has(UsersMoved):
        return
    path = str(plan.web.access_log)
    sizes = {
        name: int(host.check(["sh", "-c", 'stat -c %s -- "$1" 2>/dev/null || echo 0', "size", path]))
        for name, host in (("source", source), ("target", target))
    }
    run.record(UsersMoved(begun=now(), offsets=sizes))


def follow(plan: Plan, run: Run, dns: Dns, source: Host, target: Host) -> None:
    """Watch resolvers and logs until production is silent and every resolver names the target, and record it.

    It ends after the old and the new TTL together (ten minutes at most) as well, and records which clients still ask production.
    Only reads: users are served meanwhile.
    """
    seen = run.records(UsersMoved)
    limit = min(AT_MOST, max(run.records(DnsBefore).ttls.values()) + plan.dns.ttl)
    enough = min(max(SILENCE[0], plan.dns.ttl), SILENCE[1])
    begun = last_request = time.monotonic()
    news = 0.0
    while True:
        count = {
            name: requests(plan, host, seen.offsets[name]) for name, host in (("source", source), ("target", target))
        }
        moment = time.monotonic()
        if count["source"] > seen.requests.get("source", 0):
            last_request, seen.last_on_source = moment, now()
        seen.requests, seen.silent_seconds = count, round(moment - last_request, 1)
        held = still_held(plan, run, dns, seen)
        seen.silent = seen.silent_seconds >= enough and not held
        if seen.silent or moment - begun > limit:
            break
        if moment > news:
            log.info("%s", line(seen, held))
            news = moment + NEWS
        time.sleep(1)
    if not seen.silent:
        seen.clients = user_requests(plan, source, seen.offsets["source"], "clients").split()
    run.record(seen.model_copy(update={"recorded": now()}))
    log.info("%s", line(seen, held))


def still_held(plan: Plan, run: Run, dns: Dns, seen: UsersMoved) -> list[str]:
    """What resolvers still answer instead of the target, in words; those that changed over are noted in `seen`."""
    facts = run.records(TargetFacts)
    held = []
    for resolver in plan.dns.resolvers:
        for record in plan.dns.records:
            name = f"{resolver.name}: {record}"
            try:
                answer: DnsAnswer | None = dns.ask(resolver, record.name, record.type)
            except CouldNotVerify:
                answer = None
            if answer is not None and answer.values == (facts.address(record.type),):
                seen.resolvers.setdefault(name, round((now() - seen.begun).total_seconds(), 1))
            elif answer is not None:
                held.append(f"{name} still {', '.join(answer.values) or 'nothing'}, {answer.ttl or 0} s left")
            else:
                held.append(f"{name}: no answer")
    return held


def requests(plan: Plan, host: Host, offset: int) -> int:
    """How many requests of users a host's access log holds beyond its first `offset` bytes."""
    return int(user_requests(plan, host, offset, "count"))


def user_requests(plan: Plan, host: Host, offset: int, what: Literal["count", "clients"]) -> str:
    """The count, or the busiest clients, of the requests in the access log's part beyond `offset` bytes."""
    return host.check([*_REQUESTS, str(plan.web.access_log), str(offset), what])


def line(seen: UsersMoved, held: list[str]) -> str:
    """Where users are, for people."""
    counts = (
        f"production has been silent for {seen.silent_seconds:.0f} s ({seen.requests['source']} requests after the change); "
        f"{seen.requests['target']} requests on the target"
    )
    clients = f"; production is still asked by {', '.join(seen.clients)}" if seen.clients else ""
    return "; ".join([*held, counts]) + clients
