"""While the target holds production's data without being production, it sends nothing to other systems and runs no job."""

from pathlib import PurePosixPath

import pytest

from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import egress, files, units
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.run.places import EGRESS_TABLE, EGRESS_UNIT, QUARANTINED, drop_in, held
from fixtures.scripts import script, text

pytestmark = pytest.mark.target_quarantined

MEND = "stop the application on the target at once, then run `gonogo run --until target_quarantined`"
MAIL_PORTS = (25, 465, 587)


@pytest.fixture(scope="session")
def attempts(target: Host, plan: Plan) -> dict[tuple[str, int], str]:
    """(host, port) -> what became of a connection that the application's user tried, every one of them at once."""
    pairs = [(own, port) for own in plan.source.addresses for port in (*MAIL_PORTS, plan.postgresql.port, 80)]
    pairs += [
        (str(rule.source.network_address), rule.port)
        for rule in plan.rehearsal.egress
        if rule.source.prefixlen == rule.source.max_prefixlen
    ]
    words = [word for host, port in pairs for word in (host, str(port))]
    application = plan.application
    argv = [*script(__file__, "connect_as_application.sh"), application.user, str(application.environment_file)]
    argv += [text(__file__, "connect.pl"), *words]
    lines = [line.split() for line in target.check(argv).splitlines()]
    return {(host, int(port)): outcome for host, port, outcome in lines}


@pytest.mark.parametrize("port", MAIL_PORTS)
def check_mail_cannot_leave(port: int, attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """No mail leaves the target: a connection to a mail port is refused on the target itself."""
    found = {own: attempts[own, port] for own in plan.source.addresses}
    if set(found.values()) != {"filtered"}:
        raise NoGo(
            f"a connection from the target to port {port}",
            expected="refused by the target's own filter",
            found=", ".join(f"{own}: {outcome}" for own, outcome in found.items()),
            remedy=MEND,
        )


def check_production_cannot_be_reached(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """The target cannot reach production: neither its database nor its web server."""
    ways = [(own, port) for own in plan.source.addresses for port in (plan.postgresql.port, 80)]
    found = {way: attempts[way] for way in ways if attempts[way] != "filtered"}
    if found:
        raise NoGo(
            "connections from the target to production",
            expected="refused by the target's own filter",
            found=", ".join(f"{own} port {port}: {outcome}" for (own, port), outcome in found.items()),
            remedy=MEND,
        )


def check_other_systems_cannot_be_reached(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """The systems that the application's settings name cannot be reached, but for those the plan lists."""
    listed = {(str(rule.source.network_address), rule.port) for rule in plan.rehearsal.egress}
    reached = {pair: outcome for pair, outcome in attempts.items() if pair not in listed and outcome != "filtered"}
    if reached:
        raise NoGo(
            "connections from the target as the application's user",
            expected="refused by the target's own filter",
            found=", ".join(f"{host} port {port}: {outcome}" for (host, port), outcome in sorted(reached.items())),
            remedy=f"{MEND}; list what is harmless in rehearsal.egress",
        )


def check_listed_egress_is_open(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """What the plan lists for the rehearsal can be reached."""
    closed = [
        f"{rule.source} port {rule.port} ({rule.purpose})"
        for rule in plan.rehearsal.egress
        if attempts.get((str(rule.source.network_address), rule.port)) == "filtered"
    ]
    if closed:
        raise NoGo(
            "rehearsal.egress on the target", expected="let out", found=f"refused: {', '.join(closed)}", remedy=MEND
        )


def check_filter_is_the_plans(rules: tuple[str, str] = on_target(egress.rules)) -> None:
    """The filter in force lets out what the plan lists and not a rule more."""
    found, expected = rules
    other = sorted({line.strip() for line in found.splitlines()} ^ {line.strip() for line in expected.splitlines()})
    if not (found == expected != ""):
        raise NoGo(
            f"the filter {EGRESS_TABLE} on the target",
            expected="the plan's rules, each once, in their order",
            found=f"differing: {'; '.join(other) or 'their order'}" if found else "no such filter",
            remedy=MEND,
        )


def check_filter_holds_after_a_reboot(
    shown: dict[str, str] = on_target(units.shown(EGRESS_UNIT, "UnitFileState", "ActiveState")),
) -> None:
    """The filter is loaded again at every boot."""
    found = [shown["UnitFileState"], shown["ActiveState"]]
    if found != ["enabled", "active"]:
        raise NoGo(
            f"{EGRESS_UNIT} on the target", expected="enabled active", found=" ".join(found) or "absent", remedy=MEND
        )


def check_worker_is_held(
    worker_unit: str,
    condition: str = on_target(lambda worker_unit: files.text(str(drop_in(worker_unit)))),
    flag: files.Status | None = on_target(files.status(str(QUARANTINED))),
    shown: dict[str, str] = on_target(lambda worker_unit: units.shown(worker_unit, "ActiveState", "NeedDaemonReload")),
) -> None:
    """The worker does not run, and cannot be started."""
    held = flag is not None and f"AssertPathExists=!{QUARANTINED}" in condition.splitlines()
    state, stale = shown["ActiveState"], shown["NeedDaemonReload"] != "no"
    if not held or stale or state not in {"inactive", "failed"}:
        raise NoGo(
            f"{worker_unit} on the target",
            expected="held, inactive",
            found=f"{'held' if held else 'free'}, {state}"
            + (", its files changed since systemd read them" if stale else ""),
            remedy=MEND,
        )


def check_cron_file_is_held(
    cron_file: PurePosixPath, file: files.Status | None = on_target(lambda cron_file: files.status(str(cron_file)))
) -> None:
    """The application's cron file lies aside, where cron does not read it."""
    if file is not None:
        raise NoGo(f"{cron_file} on the target", expected=f"aside, in {held(cron_file)}", found="in place", remedy=MEND)
