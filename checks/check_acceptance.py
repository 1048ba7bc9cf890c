"""Through public DNS the application works from the target, and nothing temporary is left."""

import time
from typing import Literal

import pytest

from checks.equality import must_be_none
from fixtures.connect.host import LOCK, Host
from fixtures.connect.nameservers import Dns, DnsAnswer
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import files, security_group, units
from fixtures.facts.catalogue import TABLES
from fixtures.facts.fact import ask
from fixtures.facts.network import BrowseFact
from fixtures.facts.security_group import Group
from fixtures.facts.wanted import in_cloud, in_source_db, on_source, on_target
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.policy import ingress
from fixtures.run.places import UNITS
from fixtures.run.records import DataCopy, TargetFacts, UsersMoved
from fixtures.run.run import Run
from fixtures.sameness import differences
from fixtures.sameness.proofs import Rows, RowsFact, rows_of
from fixtures.sameness.tables import LARGE_OBJECTS

pytestmark = pytest.mark.accepted

NO_ADDRESS = (
    "see that the zone has the record (dns.records in the plan), and that the resolver reaches its name servers"
)
FINISH = "`gonogo run` takes it away; see the remedy of the first error it prints"
_OURS = units.listed("--state=running", f"{UNITS}*")


def _until_forgotten(
    plan: Plan, run: Run, dns: Dns, resolver: NameServer, name: str, kind: Literal["A", "AAAA"]
) -> DnsAnswer:
    """What the resolver says once it has forgotten production: the short TTL is how long that may take."""
    deadline = time.monotonic() + plan.dns.ttl + 5
    expected = (run.records(TargetFacts).address(kind),)
    while (answer := dns.ask(resolver, name, kind)).values != expected and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def check_resolver_names_the_target(record: DnsRecord, resolver: NameServer, plan: Plan, run: Run, dns: Dns) -> None:
    """Every resolver that users ask has forgotten production and names the target."""
    answer = _until_forgotten(plan, run, dns, resolver, record.name, record.type)
    expected = run.records(TargetFacts).address(record.type)
    if answer.values != (expected,):
        held = f"{', '.join(answer.values)}, held for {answer.ttl} more seconds"
        raise NoGo(
            f"{record} through {resolver.name}",
            expected=expected,
            found=held if answer.values else "no record",
            remedy=f"wait {answer.ttl} seconds, or have the resolver's cache flushed" if answer.values else NO_ADDRESS,
        )


def check_login_works_through_public_dns(resolver: NameServer, plan: Plan, run: Run, dns: Dns, web: Web) -> None:
    """A user who asks public DNS can log in and browse every page, served by the target."""
    answer = _until_forgotten(plan, run, dns, resolver, web.hostname, "A")
    if not answer.values:
        raise CouldNotVerify(
            f"{web.hostname} through {resolver.name}", expected="an address", found="none", remedy=NO_ADDRESS
        )
    browsed = ask(web, BrowseFact(answer.values[0], plan.smoke, tuple(plan.web.pages)))
    failed = browsed.failed(plan.smoke.signed_in_text)
    if failed:
        raise NoGo(
            f"{web.hostname} as {resolver.name} finds it ({answer.values[0]})",
            expected="login and every page of the plan",
            found=f"failed: {', '.join(failed)}",
            remedy="see the application's log on the target",
        )


def check_users_reach_the_target(plan: Plan, source: Host, target: Host) -> None:
    """Users have moved: the target's access log grows by them, and the old one does not outrun it."""
    # Our own requests carry our name and are not counted. Without any user, neither log grows, and that passes.
    deadline = time.monotonic() + plan.dns.ttl + 10
    log = str(plan.web.access_log)
    while True:
        first = [_requests(host, log) for host in (source, target)]
        time.sleep(2)
        old, new = (_requests(host, log) - seen for host, seen in zip((source, target), first, strict=True))
        if new >= old or time.monotonic() > deadline:
            break
    if new < old:
        raise NoGo(
            "requests of users in two seconds (access logs)",
            expected="more on the target than on the old host",
            found=f"{new} on the target, {old} on the old host",
            remedy="find out which resolvers still name the old host; wait for their TTL",
        )


def check_production_fell_silent(run: Run) -> None:
    """After the change no user's request reached the old host any more, and every resolver of the plan named the target."""
    moved = run.records(UsersMoved)
    if not moved.silent:
        raise NoGo(
            "requests on the old host",
            expected="none any more",
            found=f"{moved.requests.get('source', 0)} since the change, silent for {moved.silent_seconds:.0f} s; "
            f"from {', '.join(moved.clients) or 'addresses that its access log has'}",
            remedy="find out where the old address is written down; `gonogo run` looks again, a waiver accepts what is left",
        )


def _requests(host: Host, log: str) -> int:
    return int(host.check(["sh", "-c", 'grep -vc " gonogo\\"" "$1" || :', "count", log]).strip() or 0)


def _rows_of_the_copy(plan: Plan, run: Run) -> dict[str, RowsFact]:
    copied = run.records(DataCopy)
    return {table: rows_of(plan, run, table) for table in (*copied.tables, *copied.unproven)}


def check_old_host_takes_no_writes(
    copied: DataCopy,
    rows: dict[str, Rows | None] = in_source_db(_rows_of_the_copy),
    objects: Rows | None = in_source_db(lambda plan, run: rows_of(plan, run, LARGE_OBJECTS)),
    tables: list[str] = in_source_db(TABLES),
) -> None:
    """Production's old database still holds exactly what was copied: no write went there since."""
    live: dict[str, object] = {name: held.copy for name, held in rows.items() if held and name != LARGE_OBJECTS}
    made_since = {name: "a table that was made since" for name in tables if name not in rows}
    changed = differences.differences(copied.tables, live | made_since)
    if objects is None or objects.copy.digest != copied.large_objects_digest:
        changed = "; ".join(filter(None, [changed, "large objects"]))
    if changed:
        raise NoGo(
            "the old host's database",
            expected="as it was copied",
            found=changed,
            remedy="those writes are not on the target: carry them over by hand, and find who made them",
        )


def check_no_temporary_rule_is_left(
    plan: Plan,
    groups: dict[str, Group] = in_cloud(security_group.groups),
    network: str = in_cloud(security_group.network),
) -> None:
    """The security group holds what the plan lists for good, and no rule for copying."""
    group = groups.get(network)
    found, expected = group.ingress if group else frozenset(), ingress.when_accepted(plan)
    more, missing = sorted(found - expected), sorted(expected - found)
    if found != expected:
        raise NoGo(
            f"the security group {plan.target.security_group}",
            expected="the operator's SSH and target.public",
            found=f"more: {', '.join(map(str, more)) or 'none'}; missing: {', '.join(map(str, missing)) or 'none'}",
            remedy=FINISH,
        )


def check_no_lock_is_left(
    on_old: files.Status | None = on_source(files.status(LOCK)),
    on_new: files.Status | None = on_target(files.status(LOCK)),
) -> None:
    """No host lock is held any more."""
    held = [host for host, lock in (("source", on_old), ("target", on_new)) if lock]
    if held:
        raise NoGo(f"the host lock {LOCK}", expected="free", found=f"held on {', '.join(held)}", remedy=FINISH)


def check_no_work_of_ours_runs(on_old: list[str] = on_source(_OURS), on_new: list[str] = on_target(_OURS)) -> None:
    """No unit of gonogo runs on either host."""
    running = [*(f"{unit} on source" for unit in on_old), *(f"{unit} on target" for unit in on_new)]
    must_be_none("units of gonogo on source and target", expected="none running", found=running, remedy=FINISH)
