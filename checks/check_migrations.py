"""The application finds no more to migrate than on production: the account of what ran arrived with the data."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import runtimes
from fixtures.facts.fact import HostFact, SqlFact
from fixtures.facts.runtimes.frameworks import OfPlan
from fixtures.facts.wanted import in_target_db, on_target
from fixtures.plan import Plan
from fixtures.run.records import Said, Survey
from fixtures.run.run import Run

REMEDY = "copy the release and the database from the same production; do not migrate on the target"


def _framework(plan: Plan) -> OfPlan:
    found = runtimes.framework(plan)
    assert found is not None, "no check of this file runs without one"
    return found


def _written(plan: Plan) -> HostFact[list[str]]:
    return _framework(plan).written()


def _recorded(plan: Plan) -> SqlFact[list[str]]:
    return _framework(plan).recorded()


@pytest.mark.data_copied
@pytest.mark.final_data_copied
def check_every_migration_is_recorded(
    ledger: str,
    plan: Plan,
    run: Run,
    written: list[str] = on_target(_written),
    recorded: list[str] = in_target_db(_recorded),
) -> None:
    """Every migration of the release that production went through is in the database's own account of them."""
    framework = _framework(plan)
    never = set(written).difference(run.records(Survey).said[framework.name].applied)
    pending = sorted(set(written).difference(recorded, never))
    if pending or not written:
        raise NoGo(
            f"{ledger} on the target",
            expected=f"every version below {framework.directory} that production went through",
            found=f"pending: {', '.join(pending)}" if pending else "a release without migrations",
            remedy=REMEDY,
        )


@pytest.mark.application_running
def check_application_finds_nothing_to_migrate(
    framework: str, plan: Plan, run: Run, found: dict[str, Said] = on_target(lambda plan: runtimes.said(plan))
) -> None:
    """The application finds nothing to migrate that is not pending on production too, and all that production went through."""
    here, there = found[framework], run.records(Survey).said[framework]
    more = sorted(set(here.pending).difference(there.pending))
    # Where a table of the database keeps account, it has a check of its own.
    lost = [] if _framework(plan).ledger else sorted(set(there.applied).difference(here.applied))
    if more or lost:
        raise NoGo(
            "migrations, as the application on the target sees them",
            expected="none pending but production's own, and all that production went through",
            found="; ".join(
                f"{words}: {', '.join(names)}" for words, names in (("pending", more), ("not applied", lost)) if names
            ),
            remedy=REMEDY,
        )
