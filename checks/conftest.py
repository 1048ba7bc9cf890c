"""What several files of checks share: the copy's record, and both databases with each table read once for all of them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from fixtures.connect.database import Database
from fixtures.plan import Plan
from fixtures.policy.verdict import Say
from fixtures.run.journal import TargetOpened
from fixtures.run.records import DataCopy
from fixtures.run.run import Run
from fixtures.sameness import pinned
from fixtures.sameness.digest import method_of
from fixtures.sameness.ledger import Ledger
from fixtures.sameness.reading import open_reading
from fixtures.sameness.side import Side


@pytest.fixture(scope="session")
def copied(run: Run) -> DataCopy:
    """What the copy's own snapshot held."""
    return run.records(DataCopy)


@pytest.fixture(scope="session")
def production(plan: Plan, run: Run, copied: DataCopy, source_db: Database, say: Say) -> Iterator[Side]:
    """Production as it is now."""
    yield from _opened(plan, run, copied, source_db, "production", say)


@pytest.fixture(scope="session")
def side(request: pytest.FixtureRequest, plan: Plan, run: Run, copied: DataCopy, say: Say) -> Iterator[Side]:
    """The database that is compared with the copy's record.

    It is the target's until that is opened. From then on users write there, and what the copy holds is compared with
    closed production instead.
    """
    if run.happened(TargetOpened):
        yield request.getfixturevalue("production")
        return
    for made in _opened(plan, run, copied, request.getfixturevalue("target_db"), "the target", say):
        if copied.final:
            made.beside = request.getfixturevalue(
                "production"
            )  # it is compared with the same record, by the next checks
        yield made


@pytest.fixture(scope="session")
def both(source_db: Database, target_db: Database) -> Iterator[tuple[Session, Session]]:
    """A session on production and one on the target."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(db.connect())) for db in (source_db, target_db)]
        for session in sessions:
            session.autocommit = True  # one query that fails is one check's
            pinned.pin(session)
        yield sessions[0], sessions[1]


def _opened(plan: Plan, run: Run, copied: DataCopy, db: Database, name: str, say: Say) -> Iterator[Side]:
    # Workers of xdist would write into one another's.
    ledger = Ledger(run.directory / "proof" / db.host.name) if "PYTEST_XDIST_WORKER" not in os.environ else None
    reading = open_reading(db, plan, name, method=method_of(copied.tables), ledger=ledger, say=say)
    with closing(Side(reading, ledger)) as made:
        yield made
