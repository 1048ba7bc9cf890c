"""While the target holds production's data without being production, it sends nothing to other systems and runs no job."""

from pathlib import PurePosixPath

import pytest

from fixtures.errors import NoGo
from fixtures.facts import egress, files, units
from fixtures.facts.egress import Attempts, way
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.run.places import EGRESS_TABLE, EGRESS_UNIT, QUARANTINED, drop_in, held

pytestmark = pytest.mark.target_quarantined

MEND = "stop the application on the target at once, then run `gonogo run --until target_quarantined`"


@pytest.mark.parametrize("port", egress.MAIL_PORTS)
def check_mail_cannot_leave(port: int, plan: Plan, attempts: Attempts = on_target(egress.attempts)) -> None:
    """No mail leaves the target: a connection to a mail port is refused on the target itself."""
    found = {own: attempts[way(own, port)] for own in plan.source.addresses}
    if set(found.values()) != {"filtered"}:
        raise NoGo(
            f"a connection from the target to port {port}",
            expected="refused by the target's own filter",
            found=", ".join(f"{own}: {outcome}" for own, outcome in found.items()),
            remedy=MEND,
        )


def check_production_cannot_be_reached(plan: Plan, attempts: Attempts = on_target(egress.attempts)) -> None:
    """The target cannot reach production: neither its database nor its web server."""
    ways = [way(own, port) for own in plan.source.addresses for port in (plan.postgresql.port, 80)]
    found = {one: attempts[one] for one in ways if attempts[one] != "filtered"}
    if found:
        raise NoGo(
            "connections from the target to production",
            expected="refused by the target's own filter",
            found=", ".join(f"{one}: {outcome}" for one, outcome in found.items()),
            remedy=MEND,
        )


def check_other_systems_cannot_be_reached(plan: Plan, attempts: Attempts = on_target(egress.attempts)) -> None:
    """The systems that the application's settings name cannot be reached, but for those the plan lists."""
    listed = {way(rule.source.network_address, rule.port) for rule in plan.rehearsal.egress}
    reached = {one: outcome for one, outcome in attempts.items() if one not in listed and outcome != "filtered"}
    if reached:
        raise NoGo(
            "connections from the target as the application's user",
            expected="refused by the target's own filter",
            found=", ".join(f"{one}: {outcome}" for one, outcome in sorted(reached.items())),
            remedy=f"{MEND}; list what is harmless in rehearsal.egress",
        )


def check_listed_egress_is_open(plan: Plan, attempts: Attempts = on_target(egress.attempts)) -> None:
    """What the plan lists for the rehearsal can be reached."""
    closed = [
        f"{rule.source} port {rule.port} ({rule.purpose})"
        for rule in plan.rehearsal.egress
        if attempts.get(way(rule.source.network_address, rule.port)) == "filtered"
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
