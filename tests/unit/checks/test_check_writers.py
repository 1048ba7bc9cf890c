"""Whether anything on production writes beside what closing holds."""

import pytest

from checks import check_writers
from fixtures.errors import NoGo
from fixtures.facts.server import Session
from fixtures.policy.writers import Writer
from tests.unit.example import PLAN


def test_a_job_that_the_plan_does_not_hold_is_no_go():
    own = Writer("cron file", str(PLAN.application.cron[0]), "line 2 runs as payroll")
    check_writers.check_no_job_beside_the_plans_writes(PLAN, [own])
    with pytest.raises(NoGo, match=r"the unit nightly\.service"):
        check_writers.check_no_job_beside_the_plans_writes(
            PLAN, [own, Writer("unit", "nightly.service", "runs as payroll")]
        )


def test_a_process_that_is_left_is_no_go():
    check_writers.check_no_process_of_the_application_is_left([])
    with pytest.raises(NoGo, match="the process 4711 irb"):
        check_writers.check_no_process_of_the_application_is_left([Writer("process", "4711 irb", "runs as payroll")])


def test_who_stays_as_the_superuser_is_no_go():
    exporter = Session(41, "postgres", "postgres_exporter", "client backend", "")
    check_writers.check_nobody_else_works_as_its_superuser(PLAN, (41,), [exporter])
    with pytest.raises(NoGo, match=r"postgres \(postgres_exporter\), process 41"):
        check_writers.check_nobody_else_works_as_its_superuser(PLAN, (), [exporter])


def test_a_job_of_the_superuser_is_no_go():
    servers = ["postgresql.service", "postgresql@15-main.service", "postgresql-15.service"]
    check_writers.check_no_job_runs_as_its_superuser([Writer("unit", name, "runs as postgres") for name in servers])
    with pytest.raises(NoGo, match=r"the unit exporter\.service"):
        check_writers.check_no_job_runs_as_its_superuser([Writer("unit", "exporter.service", "runs as postgres")])
    with pytest.raises(NoGo, match=r"the unit postgresql-backup\.service"):
        check_writers.check_no_job_runs_as_its_superuser(
            [Writer("unit", "postgresql-backup.service", "runs as postgres")]
        )
