"""Nothing on production writes to the application's data beside what closing holds."""

import pytest

from checks.equality import must_be_none
from fixtures.connect.database import SUPERUSER
from fixtures.facts.listeners import OWN_STREAMS
from fixtures.facts.server import Session, staying
from fixtures.facts.wanted import in_source_db, on_source
from fixtures.facts.writers import jobs, jobs_of, processes
from fixtures.plan import Plan
from fixtures.policy.writers import Writer, beside_the_plan, beside_the_server


@pytest.mark.source_surveyed
@pytest.mark.source_closed
def check_no_job_beside_the_plans_writes(plan: Plan, found: list[Writer] = on_source(jobs)) -> None:
    """No unit, timer or cron job beside the plan's runs as the application's user, or names its files or its database."""
    must_be_none(
        "what starts by itself on production",
        expected="nothing beside application.pack, application.workers and application.cron",
        found=beside_the_plan(found, plan),
        remedy="list a unit or timer under application.workers and a cron file under application.cron in the plan, so that closing "
        "holds it and the target has it; or stop it for the night yourself (systemctl disable --now, crontab -e); what only reads "
        "may be waived, but it must not be at work while production is closed",
    )


BY_NIGHT = (
    f"the fence spares {SUPERUSER} on the host itself, by whom gonogo works: by night it would be red. Stop it before production is "
    f"closed, or have it log in as a role of its own; what never comes into the database may be waived, and what users need (a pooler) must go on and is"
)


@pytest.mark.source_surveyed
def check_nobody_else_works_as_its_superuser(
    plan: Plan,
    streams: tuple[int, ...] = on_source(OWN_STREAMS),
    found: list[Session] = in_source_db(lambda plan: staying(plan.database.name, SUPERUSER)),
) -> None:
    """Nobody but gonogo stays in production's database as PostgreSQL's superuser: an exporter, a console, a script."""
    must_be_none(
        f"sessions of {SUPERUSER} in {plan.database.name} on production",
        expected="none but gonogo's, which last seconds",
        found=[one for one in found if one.pid not in streams],
        remedy=f"see pg_stat_activity there, by the process: application_name, query; {BY_NIGHT}",
    )


@pytest.mark.source_surveyed
def check_no_job_runs_as_its_superuser(found: list[Writer] = on_source(jobs_of(SUPERUSER))) -> None:
    """No unit, timer or job beside the server runs as the system's user who is PostgreSQL's superuser."""
    must_be_none(
        f"what starts by itself on production as {SUPERUSER}",
        expected="PostgreSQL alone",
        found=beside_the_server(found),
        remedy=f"systemctl disable --now UNIT, crontab -u {SUPERUSER} -e; {BY_NIGHT}",
    )


@pytest.mark.source_closed
def check_no_process_of_the_application_is_left(found: list[Writer] = on_source(processes)) -> None:
    """No process of the application's user runs on closed production, and nobody holds an upload open for writing."""
    must_be_none(
        "processes on closed production",
        expected="none of the application's user, and none that writes to uploads",
        found=found,
        remedy="wait for it to end, or end it there: systemctl stop UNIT, kill PID",
    )
