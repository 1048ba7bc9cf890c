"""Nothing on production writes to the application's data beside what closing holds."""

import pytest

from checks.equality import must_be_none
from fixtures.facts.wanted import on_source
from fixtures.facts.writers import jobs, processes
from fixtures.plan import Plan
from fixtures.policy.writers import Writer, beside_the_plan


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


@pytest.mark.source_closed
def check_no_process_of_the_application_is_left(found: list[Writer] = on_source(processes)) -> None:
    """No process of the application's user runs on closed production, and nobody holds an upload open for writing."""
    must_be_none(
        "processes on closed production",
        expected="none of the application's user, and none that writes to uploads",
        found=found,
        remedy="wait for it to end, or end it there: systemctl stop UNIT, kill PID",
    )
