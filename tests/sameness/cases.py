"""What is tried: a generated table, and the one change that is made in it."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from psycopg2 import sql

from tests.sameness.values import KINDS, TEXTUAL, TWINS, Kind

NAMES = (
    "t", "q", "s", "k", "row", "select", "UPPER", "Üñï", "漢字", 'a"b', '"', "per%cent", "%s", "{}", "x y", " ", "'", "\\",
    "$1", "a.b", "new\nline", "tab\t", "--", "/*", "::text", "bucket", "count", "hash", "md5", "ROW", "n" * 63, "ö" * 31,
)  # fmt: skip
SHAPES = ("plain", "plain", "unlogged", "partitioned", "inherited", "materialised", "secured")
PADDING = 3000  # rows that make a table long enough for more than one chunk

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """What is generated. A row holds a text or NULL for each column, in the columns' order."""

    schema: str
    name: str
    shape: str
    columns: tuple[tuple[str, Kind], ...]
    key: tuple[str, ...]
    generated: str | None
    """A column that is computed from the last one."""
    padded: bool
    """Whether more rows are there than one chunk of a small proof holds."""
    rows: tuple[Row, ...]

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def relations(self) -> tuple[str, ...]:
        """Names of what holds its rows and is proven."""
        other = {"inherited": f"{self.name[:20]} child", "materialised": f"{self.name[:20]} view"}.get(self.shape)
        return tuple(f"{self.schema}.{name}" for name in (self.name, other) if name)


@dataclass(frozen=True)
class Change:
    """One thing that is made different; numbers choose rows and columns, modulo what is there."""

    kind: str
    row: int
    other: int
    column: int
    values: Row


@st.composite
def cases(draw: DrawFn, schema: str, version: int = 15) -> tuple[Table, Change]:
    """A table that servers from this version on can hold, and a change that mostly makes a difference."""
    table = draw(_tables(schema, version))
    kinds = ["value"] * 5 + ["null", "missing", "extra", "rows swapped"]
    kinds += ["columns swapped"] * 2 if _alike(table) else []
    kinds += ["empty"] if any(kind.sql in TEXTUAL for _, kind in table.columns) else []
    kinds += [] if table.key else ["duplicate", "missing"]
    small = st.integers(0, 50)
    values = draw(st.tuples(*(kind.values for _, kind in table.columns)))
    change = Change(draw(st.sampled_from(kinds)), draw(small), draw(small), draw(small), values)
    if change.kind == "value":
        at = draw(st.sampled_from([n for n, (name, _) in enumerate(table.columns) if name not in table.key]))
        one, other = draw(_unequal(table.columns[at][1]))
        values = tuple(other if n == at else value for n, value in enumerate(values))
        return _with(table, {at: one}), replace(change, column=at, values=values)
    if change.kind == "empty":
        at = draw(st.sampled_from([n for n, (_, kind) in enumerate(table.columns) if kind.sql in TEXTUAL]))
        null = table.columns[at][0] not in table.key and draw(st.booleans())
        return _with(table, {at: None if null else ""}), replace(change, column=at)
    if change.kind == "columns swapped":
        first, second = pair = draw(st.sampled_from(_alike(table)))
        one, other = draw(_unequal(table.columns[first][1]))
        return _with(table, {first: one, second: other}), replace(change, column=pair[0], other=pair[1])
    return table, change


def _alike(table: Table) -> list[tuple[int, int]]:
    """Places of columns of one type, none in the key."""
    free = [(n, kind) for n, (name, kind) in enumerate(table.columns) if name not in table.key]
    return [(a, b) for a, one in free for b, other in free if a < b and one == other]


def _unequal(kind: Kind) -> SearchStrategy[tuple[str, str]]:
    """Two values that differ, often ones that are easily taken for equal."""
    drawn = st.tuples(kind.values, kind.values).filter(lambda pair: pair[0] != pair[1])
    if kind.sql not in TWINS:
        return drawn
    twins = st.sampled_from(TWINS[kind.sql])
    return twins | twins.map(lambda pair: (pair[1], pair[0])) | drawn


def _with(table: Table, values: dict[int, str | None]) -> Table:
    """The table with some values the same in every row."""
    rows = tuple(tuple(values.get(n, value) for n, value in enumerate(row)) for row in table.rows)
    return replace(table, rows=rows)


@st.composite
def _tables(draw: DrawFn, schema: str, version: int) -> Table:
    possible = [kind for kind in KINDS if kind.since <= version]
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=7, unique=True))
    name = draw(st.sampled_from(NAMES) | st.sampled_from(names))  # a column may bear the table's own name
    kinds = [draw(st.sampled_from(possible)) for _ in names]
    if draw(st.booleans()):
        kinds[-1] = kinds[-2]  # so that values can change places
    shape = draw(st.sampled_from(SHAPES))
    columns = tuple(zip(names, kinds, strict=True))
    orderly = [column for column, kind in columns[:-1] if kind.key]
    key = tuple(orderly[: draw(st.integers(0, 2))]) if shape != "inherited" else ()
    if shape == "partitioned" and key and not dict(columns)[key[0]].hashed:
        shape = "plain"
    row = st.tuples(*(_value(kind, nullable=column not in key) for column, kind in columns))
    rows = draw(st.lists(row, min_size=draw(st.sampled_from([0, 1, 2, 4])), max_size=8))
    if rows and not key:
        rows += [rows[0]] * draw(st.integers(0, 3))
    return Table(
        schema=schema,
        name=name,
        shape=shape,
        columns=columns,
        key=key,
        generated=draw(st.sampled_from([None, "gen %"])),
        padded=(not key or [dict(columns)[name].sql for name in key] == ["integer"]) and draw(st.integers(0, 9)) == 0,
        rows=tuple(rows),
    )


def _value(kind: Kind, *, nullable: bool) -> st.SearchStrategy[str | None]:
    return st.one_of(kind.values, kind.values, kind.values, st.none()) if nullable else kind.values
