"""On real servers: any change in a generated table is found where it is, and equal tables never differ.

GONOGO_EXAMPLES sets how many tables are tried (1000); without it they are the same each time.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from psycopg2 import sql
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from fixtures.sameness.localise import Difference
from tests.sameness import oracle, tables, values
from tests.sameness.cases import NAMES, Change, Table, cases
from tests.sameness.proving import located, verdicts
from tests.servers import Server

EXAMPLES = int(os.environ.get("GONOGO_EXAMPLES", "1000"))
AT_ONCE = 10  # tables in one example
DUMPED = 8
common = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    database=None,
    derandomize="GONOGO_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def sides(server15):
    """Two databases on one server, with the types; the numbers of those of the second are others."""
    server15.run("psql", "-Xqc", "CREATE DATABASE here", "-c", "CREATE DATABASE there")
    with closing(server15.connect("here")) as here, closing(server15.connect("there")) as there:
        _run(there, "CREATE TABLE shift (); DROP TABLE shift")
        for side in (here, there):
            _run(side, values.TYPES)
        yield here, there
    server15.run("psql", "-Xqc", "DROP DATABASE here", "-c", "DROP DATABASE there")


@settings(common, max_examples=EXAMPLES // AT_ONCE)
@given(st.data())
def test_a_change_is_found_where_it_is_and_equal_tables_never_differ(sides, data: DataObject):
    here, there = sides
    schemas = data.draw(st.lists(st.sampled_from(NAMES), min_size=AT_ONCE, max_size=AT_ONCE, unique=True), "schemas")
    drawn = [data.draw(cases(schema), f"in {schema!r}") for schema in schemas]
    order = random.Random(data.draw(st.integers(0, 9), "order of rows and columns"))
    with dropped(schemas, here, there):
        made = [(make(here, table), change) for table, change in drawn]
        for table, _ in made:
            assert make(there, table, order) == table
        assert verdicts(here, there) == {name: "equal" for table, _ in made for name in table.relations}
        changed_and_found(here, there, made)


def changed_and_found(here: Session, there: Session, made: Sequence[tuple[Table, Change]]) -> None:
    """Make each change in its table on the second side, and compare what gonogo finds with what COPY sends."""
    before = {name: rows(there, table, name) for table, _ in made for name in table.relations}
    for table, change in made:
        tables.apply(there, table, change)
    after = {name: rows(there, table, name) for table, _ in made for name in table.relations}
    differ = {name for name in before if oracle.differences(before[name], after[name])}
    for table, change in made:
        event(f"{change.kind}: {'differs' if differ & set(table.relations) else 'changes nothing'}")
    assert verdicts(here, there) == {name: "different" if name in differ else "equal" for name in before}
    for name, found in located(here, there, differ).items():
        matches(found, before[name], after[name])


def matches(found: Sequence[Difference], before: oracle.Rows, after: oracle.Rows) -> None:
    """What gonogo located is what is there: rows by key and column, or where there is no key how many of them."""
    expected = oracle.differences(before, after)
    if before.key:
        assert Counter((one.kind, one.key, frozenset(one.columns)) for one in found) == expected
        return
    kinds = Counter(one.kind for one in found)
    pairs = kinds.pop("changed", 0)
    assert kinds + Counter(missing=pairs, extra=pairs) == Counter({kind: n for (kind, _, _), n in expected.items()})
    columns = oracle.changed_columns(before, after)
    if columns and len(columns) * 2 <= len(before.columns):
        assert [frozenset(one.columns) for one in found] == [columns]


@settings(common, max_examples=max(EXAMPLES // 200, 3))
@given(st.data())
@pytest.mark.parametrize(("older", "newer"), [(13, 15), (15, 17)])
def test_a_restored_dump_is_equal_on_a_newer_server(request, older, newer, data: DataObject):
    servers = [request.getfixturevalue(f"server{version}") for version in (older, newer)]
    drawn = [data.draw(cases(schema, older), f"in {schema!r}") for schema in NAMES[:: len(NAMES) // DUMPED]]
    with databases(*servers) as (here, there):
        _run(here, values.TYPES)
        made = [(make(here, table), change) for table, change in drawn]
        dump = servers[0].run("pg_dump", "-Fc", "dumped")
        servers[1].run("pg_restore", "--exit-on-error", "-d", "dumped", stdin=dump)
        assert verdicts(here, there) == {name: "equal" for table, _ in made for name in table.relations}
        changed_and_found(here, there, made)


# -- both sides -------------------------------------------------------------------------------------------------------


def make(side: Session, table: Table, order: random.Random | None = None) -> Table:
    """The table as it is with the rows that found a place; with an order, columns and rows stand in another one."""
    with side, side.cursor() as cursor:
        tables.make(cursor, table, order)
        made = tables.fill(cursor, table, order)
        tables.finish(cursor, made)
        return made


def rows(side: Session, table: Table, relation: str) -> oracle.Rows:
    return oracle.read(side, table.schema, relation.removeprefix(f"{table.schema}."))


@contextmanager
def dropped(schemas: Sequence[str], *sides: Session) -> Iterator[None]:
    """Afterwards neither side has the schemas any more."""
    try:
        yield
    finally:
        for side in sides:
            side.rollback()
            for schema in schemas:
                _run(side, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


@contextmanager
def databases(*servers: Server) -> Iterator[list[Session]]:
    """A session in a new database `dumped` on each server, gone afterwards."""
    with ExitStack() as stack:
        for server in servers:
            server.run("psql", "-Xqc", "CREATE DATABASE dumped")
            stack.callback(server.run, "psql", "-Xqc", "DROP DATABASE dumped WITH (FORCE)")
        yield [stack.enter_context(closing(server.connect("dumped"))) for server in servers]


def _run(side: Session, statement: str | sql.Composable) -> None:
    with side, side.cursor() as cursor:
        cursor.execute(statement)
