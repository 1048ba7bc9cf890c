"""Production was surveyed, and still is what the survey says."""

import pytest

from checks.equality import in_words, must_equal
from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, machine, release
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.source_surveyed

AGAIN = "survey anew: begin a new run with `gonogo run --new`"


def check_survey_is_of_this_production(run: Run, source: Host, source_db: Database) -> None:
    """The survey was taken on the host and the database server that are in production now."""
    survey = run.records(Survey)
    found = (ask(source, machine.MACHINE_ID), source_db.identity())
    expected = (survey.machine_id, survey.system_identifier)
    must_equal("production (machine id, PostgreSQL system identifier)", expected=expected, found=found, remedy=AGAIN)


def check_release_is_the_surveyed_one(run: Run, source: Host, plan: Plan) -> None:
    """Production still runs the release that was surveyed: nobody deployed since."""
    expected = run.records(Survey).release
    found = ask(source, files.real(str(plan.application.current)))
    must_equal(f"{plan.application.current} on the source", expected=expected, found=found, remedy=AGAIN)


def check_code_and_settings_are_the_surveyed_ones(run: Run, source: Host, plan: Plan) -> None:
    """Production's code is byte for byte what was surveyed, and its environment file names the same settings."""
    survey = run.records(Survey)
    changed = [
        what
        for what, expected, found in (
            ("the code", survey.release_digest, ask(source, release.digest(plan))),
            ("the settings", survey.environment, ask(source, release.settings(plan))),
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


def check_tables_are_the_surveyed_ones(run: Run, source_db: Database) -> None:
    """Production's database still has the tables that were surveyed: nobody migrated since."""
    expected, found = set(run.records(Survey).tables), set(ask(source_db, catalogue.TABLES))
    if found != expected:
        raise NoGo(
            "production's tables",
            expected="those of the survey",
            found=f"new: {in_words(sorted(found - expected))}; gone: {in_words(sorted(expected - found))}",
            remedy=AGAIN,
        )


def check_survey_names_something_to_move(run: Run) -> None:
    """The survey found tables, gems, settings and uploads: an empty one would prove nothing later."""
    survey = run.records(Survey)
    empty = [
        name
        for name, found in (("tables", survey.tables), ("gems", survey.gems), ("settings", survey.environment))
        if not found
    ] + [path for path, count in survey.files.items() if count.files == 0]
    if empty:
        raise NoGo(
            "the survey",
            expected="tables, gems, settings and files",
            found=f"nothing under {', '.join(empty)}",
            remedy=AGAIN,
        )
