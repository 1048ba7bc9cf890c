"""Production shows the maintenance page, and nothing writes to its database."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures import wording
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, server, units
from fixtures.facts.logins import with_own_password
from fixtures.facts.network import PageAnswer, PageFact, at_source
from fixtures.facts.pack import PortAnswer, health
from fixtures.facts.roles import logins
from fixtures.facts.wanted import in_source_db, on_source, on_web
from fixtures.facts.watches import WRITTEN, SqlWatch, Written
from fixtures.plan import Plan
from fixtures.policy import notices
from fixtures.run.places import held
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run

pytestmark = pytest.mark.source_closed

CLOSE = "close production: `gonogo run`; go back: `gonogo back-out`"
WATCHED_SECONDS = 1.0
"""How long production is watched for writes."""


def _pages(plan: Plan, hostname: str) -> dict[str, PageFact]:
    return {path: at_source(plan, path, host=hostname) for path in (plan.web.pages[0], plan.smoke.login_page)}


def check_users_see_the_maintenance_page(
    hostname: str,
    plan: Plan,
    answers: dict[str, PageAnswer] = on_web(lambda plan, hostname: _pages(plan, hostname)),
) -> None:
    """Users of production get 503 and the maintenance page, whatever they ask for."""
    for path, answer in answers.items():
        if answer.status != 503:
            raise NoGo(
                f"{hostname}{path} at {plan.source.public_address}",
                expected="503 with the maintenance page",
                found=f"status {answer.status}",
                remedy=CLOSE,
            )


def check_page_says_when_and_whom(
    plan: Plan,
    run: Run,
    answer: PageAnswer = on_web(lambda plan: at_source(plan, plan.web.pages[0], redirects=False)),
) -> None:
    """The maintenance page says since when and until when, that data is safe, and whom to ask."""
    closed = run.records(SourceClosure).closed
    mistakes = wording.lint(notices.visible(answer.text), notices.closed_since(plan, closed))
    must_be_none(
        f"the maintenance page at {plan.source.public_address}",
        expected=wording.plain(notices.outage_text(plan, closed)),
        found=mistakes,
        remedy=f"see {plan.application.maintenance_page} on the source, and the site's error_page 503",
    )


def _fenced(plan: Plan, run: Run) -> set[str]:
    return {*run.records(SourceClosure).logins, plan.database.role}


def check_fenced_roles_may_not_log_in(
    plan: Plan, run: Run, roles: dict[str, bool] = in_source_db(lambda plan, run: logins(_fenced(plan, run)))
) -> None:
    """No role that could write to production's database may log in."""
    found = [name for name, may in roles.items() if may]
    if found:
        raise NoGo(
            "roles of production's database",
            expected=f"NOLOGIN: {', '.join(sorted(_fenced(plan, run)))}",
            found=f"{', '.join(found)} may log in",
            remedy=CLOSE,
        )


def check_password_is_refused(plan: Plan, code: str | None = in_source_db(with_own_password)) -> None:
    """The application's own password does not let anybody into production's database any more."""
    if code is None:
        raise NoGo(
            f"logging in to {plan.database.name} on production as {plan.database.role}",
            expected="refused",
            found="accepted",
            remedy=CLOSE,
        )


def check_nobody_is_logged_in(
    plan: Plan,
    found: list[str] = in_source_db(
        lambda plan, run: server.sessions(plan.database.name, run.records(SourceClosure).logins)
    ),
) -> None:
    """No session is open in production's database but our own."""
    must_be_none(
        f"sessions in {plan.database.name} on production",
        expected="none but gonogo's",
        found=found,
        remedy=f"end them on production (SELECT pg_terminate_backend(PID)), or {CLOSE}",
    )


def check_no_prepared_transaction_waits(count: int = in_source_db(catalogue.PREPARED)) -> None:
    """No prepared transaction waits in production's database: it could still commit behind the fence."""
    if count != 0:
        raise NoGo(
            "prepared transactions on production",
            expected="none",
            found=count,
            remedy="see pg_prepared_xacts on production; COMMIT PREPARED or ROLLBACK PREPARED each, then copy again: `gonogo run`",
        )


def check_nothing_writes(
    seen: tuple[Written, Written] = in_source_db(SqlWatch(WRITTEN, WATCHED_SECONDS, "check_nothing_writes")),
) -> None:
    """Nothing was written to production's database while it was watched."""
    before, after = seen
    must_equal(
        f"production's database over {WATCHED_SECONDS:g} s (rows written, sum of sequences)",
        expected=before,
        found=after,
        remedy="find the writer in pg_stat_activity on production, stop it, and copy again: `gonogo run`",
    )


def check_pack_is_stopped(
    pack_unit: str,
    states: list[str] = on_source(lambda pack_unit: units.states(pack_unit)),
    enabled: dict[str, bool] = on_source(lambda pack_unit: units.enabled(pack_unit)),
) -> None:
    """No application server of production runs, or would start at boot."""
    _is_stopped(pack_unit, states[0], on=enabled[pack_unit])


def check_worker_is_stopped(
    worker_unit: str,
    states: list[str] = on_source(lambda worker_unit: units.states(worker_unit)),
    enabled: dict[str, bool] = on_source(lambda worker_unit: units.enabled(worker_unit)),
) -> None:
    """No worker of production runs, or would start at boot."""
    _is_stopped(worker_unit, states[0], on=enabled[worker_unit])


def _is_stopped(unit: str, state: str, *, on: bool) -> None:
    found = (state, "enabled" if on else "not enabled")
    if found not in (("inactive", "not enabled"), ("failed", "not enabled")):
        raise NoGo(f"{unit} on production", expected="stopped, and not enabled", found=", ".join(found), remedy=CLOSE)


def check_cron_is_held(
    cron_file: PurePosixPath,
    run: Run,
    there: files.Status | None = on_source(lambda cron_file: files.status(str(cron_file))),
    kept: files.Status | None = on_source(lambda cron_file: files.status(str(held(cron_file)))),
) -> None:
    """Cron runs nothing of the application on production; its file is kept for a back-out."""
    was_there = str(cron_file) in run.records(SourceClosure).held_files
    found = (there is not None, kept is not None)
    if found != (False, was_there):
        raise NoGo(
            f"{cron_file} on production",
            expected=f"moved to {held(cron_file)}",
            found="still in place" if found[0] else "neither in place nor kept",
            remedy=CLOSE,
        )


def _port(plan: Plan, unit: str) -> int:
    return plan.application.ports[plan.application.pack.index(unit)]


def check_ports_are_closed(
    pack_unit: str,
    plan: Plan,
    answer: PortAnswer = on_source(
        lambda pack_unit, plan: health(_port(plan, pack_unit), plan.application.health, plan.web.hostnames[0])
    ),
) -> None:
    """Nothing answers on the ports of production's pack, not even a server that was started by hand."""
    if answer.status != 0:
        raise NoGo(
            f"port {_port(plan, pack_unit)} of production",
            expected="closed",
            found=f"an answer, status {answer.status}",
            remedy=CLOSE,
        )
