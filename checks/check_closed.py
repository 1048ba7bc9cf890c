"""Production shows the maintenance page, and nothing writes to its database."""

import time
from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures import wording
from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, server, units
from fixtures.facts.fact import ask
from fixtures.facts.pack import health
from fixtures.facts.roles import logins
from fixtures.plan import Plan
from fixtures.policy import notices
from fixtures.run.places import held
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run

pytestmark = pytest.mark.source_closed

CLOSE = "close production: `gonogo run`; go back: `gonogo back-out`"
WATCHED_SECONDS = 1.0
"""How long production is watched for writes."""


def check_users_see_the_maintenance_page(hostname: str, plan: Plan, web: Web) -> None:
    """Users of production get 503 and the maintenance page, whatever they ask for."""
    for path in (plan.web.pages[0], plan.smoke.login_page):
        answer = web.get(path, str(plan.source.public_address), host=hostname)
        if answer.status_code != 503:
            raise NoGo(
                f"{hostname}{path} at {plan.source.public_address}",
                expected="503 with the maintenance page",
                found=f"status {answer.status_code}",
                remedy=CLOSE,
            )


def check_page_says_when_and_whom(plan: Plan, run: Run, web: Web) -> None:
    """The maintenance page says since when and until when, that data is safe, and whom to ask."""
    answer = web.get(plan.web.pages[0], str(plan.source.public_address), redirects=False)
    closed = run.records(SourceClosure).closed
    mistakes = wording.lint(notices.visible(answer.text), notices.closed_since(plan, closed))
    must_be_none(
        f"the maintenance page at {plan.source.public_address}",
        expected=wording.plain(notices.outage_text(plan, closed)),
        found=mistakes,
        remedy=f"see {plan.application.maintenance_page} on the source, and the site's error_page 503",
    )


def check_fenced_roles_may_not_log_in(run: Run, plan: Plan, source_db: Database) -> None:
    """No role that could write to production's database may log in."""
    fenced = {*run.records(SourceClosure).logins, plan.database.role}
    found = [name for name, may in ask(source_db, logins(fenced)).items() if may]
    if found:
        raise NoGo(
            "roles of production's database",
            expected=f"NOLOGIN: {', '.join(sorted(fenced))}",
            found=f"{', '.join(found)} may log in",
            remedy=CLOSE,
        )


def check_password_is_refused(plan: Plan, source_db: Database) -> None:
    """The application's own password does not let anybody into production's database any more."""
    code = source_db.password_login(plan.database.role, plan.database.password.reveal())
    if code is None:
        raise NoGo(
            f"logging in to {plan.database.name} on production as {plan.database.role}",
            expected="refused",
            found="accepted",
            remedy=CLOSE,
        )


def check_nobody_is_logged_in(plan: Plan, run: Run, source_db: Database) -> None:
    """No session is open in production's database but our own."""
    found = ask(source_db, server.sessions(plan.database.name, run.records(SourceClosure).logins))
    must_be_none(
        f"sessions in {plan.database.name} on production",
        expected="none but gonogo's",
        found=found,
        remedy=f"end them on production (SELECT pg_terminate_backend(PID)), or {CLOSE}",
    )


def check_no_prepared_transaction_waits(source_db: Database) -> None:
    """No prepared transaction waits in production's database: it could still commit behind the fence."""
    count = ask(source_db, catalogue.PREPARED)
    if count != 0:
        raise NoGo(
            "prepared transactions on production",
            expected="none",
            found=count,
            remedy="see pg_prepared_xacts on production; COMMIT PREPARED or ROLLBACK PREPARED each, then copy again: `gonogo run`",
        )


def check_nothing_writes(source_db: Database) -> None:
    """Nothing was written to production's database while it was watched."""
    query = (
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint, (SELECT sum(last_value)::bigint FROM pg_sequences)"
        " FROM pg_stat_user_tables"
    )
    before = source_db.rows(query)[0]
    time.sleep(WATCHED_SECONDS)
    after = source_db.rows(query)[0]
    must_equal(
        f"production's database over {WATCHED_SECONDS:g} s (rows written, sum of sequences)",
        expected=before,
        found=after,
        remedy="find the writer in pg_stat_activity on production, stop it, and copy again: `gonogo run`",
    )


def check_pack_is_stopped(pack_unit: str, source: Host) -> None:
    """No application server of production runs, or would start at boot."""
    _is_stopped(pack_unit, source)


def check_worker_is_stopped(worker_unit: str, source: Host) -> None:
    """No worker of production runs, or would start at boot."""
    _is_stopped(worker_unit, source)


def _is_stopped(unit: str, source: Host) -> None:
    on = ask(source, units.enabled(unit))[unit]
    found = (ask(source, units.states(unit))[0], "enabled" if on else "not enabled")
    if found not in (("inactive", "not enabled"), ("failed", "not enabled")):
        raise NoGo(f"{unit} on production", expected="stopped, and not enabled", found=", ".join(found), remedy=CLOSE)


def check_cron_is_held(cron_file: PurePosixPath, run: Run, source: Host) -> None:
    """Cron runs nothing of the application on production; its file is kept for a back-out."""
    kept = held(cron_file)
    was_there = str(cron_file) in run.records(SourceClosure).held_files
    found = tuple(ask(source, files.status(str(path))) is not None for path in (cron_file, kept))
    if found != (False, was_there):
        raise NoGo(
            f"{cron_file} on production",
            expected=f"moved to {kept}",
            found="still in place" if found[0] else "neither in place nor kept",
            remedy=CLOSE,
        )


def check_ports_are_closed(pack_unit: str, plan: Plan, source: Host) -> None:
    """Nothing answers on the ports of production's pack, not even a server that was started by hand."""
    port = plan.application.ports[plan.application.pack.index(pack_unit)]
    status = ask(source, health(port, plan.application.health, plan.web.hostnames[0])).status
    if status != 0:
        raise NoGo(f"port {port} of production", expected="closed", found=f"an answer, status {status}", remedy=CLOSE)
