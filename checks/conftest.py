"""What several files of checks share: the copy's record, and the databases that are open while a gate lasts."""

from collections.abc import Generator

import pytest

from fixtures.connect.database import Database
from fixtures.plan import Plan
from fixtures.policy.verdict import NEWS
from fixtures.run.records import DataCopy
from fixtures.run.run import Run
from fixtures.sameness.proofs import both_sides, databases_open
from fixtures.sameness.side import Side


@pytest.fixture(scope="session")
def copied(run: Run) -> DataCopy:
    """What the copy's own snapshot held."""
    return run.records(DataCopy)


@pytest.fixture(scope="session")
def sides(plan: Plan, run: Run, source_db: Database, target_db: Database) -> tuple[Side, ...]:
    """Production and the target, to find out which rows differ: the readings of which checks are handed the digests."""
    return both_sides(plan, run, source_db, target_db)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Let facts open databases while checks run, say what takes long, and break off what is being read when they end."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")

    def say(text: str) -> None:
        if terminal is not None:
            terminal.write_line(f"{NEWS}{text}")

    with databases_open(say):
        return (yield)
