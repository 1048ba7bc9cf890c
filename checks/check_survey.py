"""Production was surveyed, and still is what the survey says."""

import pytest

from checks.equality import in_words, must_equal
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, machine, release, server
from fixtures.facts.wanted import in_source_db, on_source
from fixtures.plan import Listens, Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.source_surveyed

AGAIN = "survey anew: begin a new run with `gonogo run --new`"
_BROKEN = 500
"""From here on a status says that the server is broken: what the target is compared with must work."""


def check_survey_is_of_this_production(
    run: Run, machine_id: str = on_source(machine.MACHINE_ID), cluster: str = in_source_db(server.IDENTITY)
) -> None:
    """The survey was taken on the host and the database server that are in production now."""
    survey = run.records(Survey)
    expected = (survey.machine_id, survey.system_identifier)
    must_equal(
        "production (machine id, PostgreSQL system identifier)",
        expected=expected,
        found=(machine_id, cluster),
        remedy=AGAIN,
    )


def check_release_is_the_surveyed_one(
    run: Run, plan: Plan, found: str = on_source(lambda plan: files.real(str(plan.application.current)))
) -> None:
    """Production still runs the release that was surveyed: nobody deployed since."""
    expected = run.records(Survey).release
    must_equal(f"{plan.application.current} on the source", expected=expected, found=found, remedy=AGAIN)


def check_code_and_settings_are_the_surveyed_ones(
    run: Run, code: str = on_source(release.digest), settings: list[str] = on_source(release.settings)
) -> None:
    """Production's code is byte for byte what was surveyed, and its environment files name the same settings."""
    survey = run.records(Survey)
    changed = [
        what
        for what, expected, found in (
            ("the code", survey.release_digest, code),
            ("the settings", survey.environment, settings),
        )
        if expected != found
    ]
    if changed:
        raise NoGo(
            f"{survey.release} on the source",
            expected="as surveyed",
            found=f"{' and '.join(changed)} changed",
            remedy=AGAIN,
        )


def check_tables_are_the_surveyed_ones(run: Run, tables: list[str] = in_source_db(catalogue.TABLES)) -> None:
    """Production's database still has the tables that were surveyed: nobody migrated since."""
    expected, found = set(run.records(Survey).tables), set(tables)
    if found != expected:
        raise NoGo(
            "production's tables",
            expected="those of the survey",
            found=f"new: {in_words(sorted(found - expected))}; gone: {in_words(sorted(expected - found))}",
            remedy=AGAIN,
        )


def check_survey_names_something_to_move(run: Run, plan: Plan) -> None:
    """The survey found tables, settings, uploads and what each runtime loads: an empty one would prove nothing later."""
    survey = run.records(Survey)
    empty = [
        name
        for name, found in (
            ("tables", survey.tables),
            ("settings", survey.environment or not plan.application.environment_files),
            *((f"the dependencies of {name}", one.dependencies) for name, one in survey.runtimes.items()),
        )
        if not found
    ] + [path for path, count in survey.files.items() if count.files == 0]
    if empty:
        raise NoGo(
            "the survey",
            expected="tables, settings, files and dependencies of every runtime",
            found=f"nothing under {', '.join(empty)}",
            remedy=AGAIN,
        )


def check_listener_answered(listener: Listens, run: Run) -> None:
    """Every port and socket of the pack answered when production was surveyed: it is what the target is compared with."""
    status = run.records(Survey).answers[listener.name].status
    if status is not None and (status == 0 or status >= _BROKEN):
        raise NoGo(
            f"{listener} of production ({listener.unit})",
            expected="a server that answers",
            found=f"status {status} when it was surveyed" if status else "nobody listened when it was surveyed",
            remedy=f"start it there, or mend application.servers and application.health in the plan; {AGAIN}",
        )


def check_name_answered(hostname: str, plan: Plan, run: Run) -> None:
    """The site answered under every name when production was surveyed, and not with an error of its own."""
    status = run.records(Survey).health[hostname]
    if status >= _BROKEN:
        raise NoGo(
            f"{hostname}{plan.health_page} of production",
            expected="an answer that is no server's error",
            found=f"status {status} when it was surveyed",
            remedy=f"see the logs there, or mend application.health in the plan; {AGAIN}",
        )
