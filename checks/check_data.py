"""The target's database holds what production held when it was copied."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from fixtures.database import Database
from fixtures.evidence import DataCopy, Survey, TableCopy
from fixtures.host import Host
from fixtures.plan import Plan
from fixtures.run import Run
from fixtures.sameness import pinned, tables
from fixtures.verdict import problem

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]

AGAIN = "copy again: `gonogo run` (before the target opened; afterwards see `gonogo back-out`)"
HOURS = 3600.0

# $1 database. pg_dump's archives begin with PGDMP; only files of somebody who copies databases are looked at.
_DUMPS = r"""
find /tmp /var/tmp /root /run/gonogo /var/lib/gonogo /var/lib/postgresql -xdev -maxdepth 2 -type f -size +0 \
  \( -name "*$1*.dump" -o -name "*$1*.sql" -o -name "*$1*.sql.gz" -o -name "gonogo*.dump" \) 2>/dev/null || :
"""


class Side:
    """The database that is compared with the copy's record, each table read once.

    It is the target's until that is opened. From then on users write there, and what the copy holds is compared with
    closed production instead.
    """

    def __init__(self, name: str, session: Session) -> None:
        self.name = name
        self.session = session
        self._tables: dict[str, TableCopy | None] = {}

    def table(self, name: str) -> TableCopy | None:
        """Rows and digest of a table, None when there is none of that name."""
        if name not in self._tables:
            self._tables[name] = tables.read_tables(self.session, name).get(name)
        return self._tables[name]


@pytest.fixture(scope="session")
def copied(run: Run) -> DataCopy:
    """What the copy's own snapshot held."""
    return run.records(DataCopy)


@pytest.fixture(scope="session")
def side(run: Run, target_db: Database, source_db: Database) -> Iterator[Side]:
    """The database to compare with the record."""
    name, db = ("production", source_db) if run.happened("target_open") else ("the target", target_db)
    with closing(db.connect(statement_timeout=HOURS)) as session:
        pinned.pin(session)
        yield Side(name, session)


@pytest.fixture(scope="session")
def production(source_db: Database) -> Iterator[Side]:
    """Production as it is now."""
    with closing(source_db.connect(statement_timeout=HOURS)) as session:
        pinned.pin(session)
        yield Side("production", session)


def check_row_counts_match(table: str, copied: DataCopy, side: Side) -> None:
    """Every table has exactly the rows that production had: a missing row is a lost payslip."""
    found = side.table(table)
    expected = copied.tables[table].rows if table in copied.tables else None
    assert found is not None, problem(
        f"the table {table}", expected=f"on {side.name}", found="no such table", remedy=AGAIN
    )
    assert expected == found.rows, problem(
        f"rows of {table} on {side.name}",
        expected=f"{expected}, as in the copied snapshot" if expected is not None else "a table that was copied",
        found=found.rows,
        remedy=AGAIN,
    )


def check_rows_match(table: str, copied: DataCopy, side: Side) -> None:
    """Every table's rows are equal, value by value, to those that production had."""
    found = side.table(table)
    expected = copied.tables[table].digest if table in copied.tables else "a table that was copied"
    assert found is not None, problem(
        f"the table {table}", expected=f"on {side.name}", found="no such table", remedy=AGAIN
    )
    assert expected == found.digest, problem(
        f"content of {table} on {side.name}",
        expected=f"digest {expected}",
        found=f"digest {found.digest}",
        remedy=AGAIN,
    )


def check_no_other_tables(copied: DataCopy, target_db: Database) -> None:
    """The target has production's tables, no more and no fewer."""
    with closing(target_db.connect(statement_timeout=HOURS)) as session:
        found = set(tables.table_names(session))
    expected = set(copied.tables)
    assert found == expected, problem(
        "the tables on the target",
        expected=f"the {len(expected)} of the copied snapshot",
        found=f"missing: {sorted(expected - found) or 'none'}; more: {sorted(found - expected) or 'none'}",
        remedy=AGAIN,
    )


def check_large_objects_match(copied: DataCopy, side: Side) -> None:
    """Every large object is there with its content, owner and grants."""
    expected = (copied.large_objects, copied.large_objects_digest)
    found = tables.read_large_objects(side.session)
    assert found == expected, problem(
        f"large objects on {side.name}",
        expected=f"{expected[0]}, digest {expected[1]}",
        found=f"{found[0]}, digest {found[1]}",
        remedy=AGAIN,
    )


def check_copy_came_from_production(run: Run, copied: DataCopy, target_db: Database) -> None:
    """The record is of production's cluster and of the one that runs on the target now."""
    expected = (run.records(Survey).system_identifier, target_db.identity())
    found = (copied.source_identifier, copied.target_identifier)
    assert found == expected != found[::-1], problem(
        "identifiers of the clusters (source, target) in the copy's record",
        expected=expected,
        found=found,
        remedy=AGAIN,
    )


def check_no_dump_is_left(plan: Plan, source: Host, target: Host) -> None:
    """The copy left no dump in the places where dumps are left."""
    argv = ["sh", "-c", _DUMPS, "dumps", plan.database.name]
    found = [f"{path} on {host.name}" for host in (source, target) for path in host.check(argv).split()]
    assert not found, problem(
        "dumps of the database", expected="none: it is streamed", found=", ".join(found), remedy="remove them"
    )


@pytest.mark.files_copied
@pytest.mark.final_files_copied
def check_copying_left_no_key(source: Host, target: Host, plan: Plan) -> None:
    """The copy's key is gone from the source, and its line from the target's authorized_keys."""
    keys = source.check(["sh", "-c", "find /run/gonogo/keys -name key -type f 2>/dev/null || :"]).split()
    home = target.check(["getent", "passwd", plan.target.user]).split(":")[5]
    lines = target.check(
        ["sh", "-c", 'grep -c "^# BEGIN gonogo copy" "$1" || :', "grep", f"{home}/.ssh/authorized_keys"]
    )
    assert (keys, lines.strip()) == ([], "0"), problem(
        "the copies' keys",
        expected="none on the source, no line on the target",
        found=f"{', '.join(keys) or 'none'} on the source, {lines.strip()} lines on the target",
        remedy="if no copy is running: `gonogo run` takes them away at the next copy and at acceptance",
    )
