"""Generated tables on a server: how they are made and filled, and how the one change is made in them."""

import random
from collections.abc import Sequence
from dataclasses import replace

from psycopg2 import IntegrityError, sql
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tests.sameness.cases import PADDING, Change, Row, Table
from tests.sameness.values import Kind


def make(cursor: Cursor, table: Table, order: random.Random | None = None) -> None:
    """Create the table, empty; with an order, its columns stand shuffled after one that was dropped."""
    columns = list(table.columns)
    if order:
        order.shuffle(columns)
    parts = [_definition(name, kind) for name, kind in columns]
    if order:
        parts.insert(0, sql.SQL("dropped int"))
    if table.generated:
        parts.append(
            sql.SQL("{} boolean GENERATED ALWAYS AS ({} IS NULL) STORED").format(
                sql.Identifier(table.generated), sql.Identifier(table.columns[-1][0])
            )
        )
    if table.key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(_list(table.key)))
    cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(table.schema)))
    unlogged = sql.SQL("UNLOGGED " if table.shape == "unlogged" else "")
    by = sql.SQL(
        " PARTITION BY {}".format("HASH ({})" if table.key else "LIST (({} IS NULL))")
        if table.shape == "partitioned"
        else ""
    ).format(sql.Identifier(table.key[0] if table.key else table.columns[0][0]))
    cursor.execute(
        sql.SQL("CREATE {}TABLE {} ({}){}").format(unlogged, table.identifier, sql.SQL(", ").join(parts), by)
    )
    if order:
        cursor.execute(sql.SQL("ALTER TABLE {} DROP COLUMN dropped").format(table.identifier))
    if table.shape == "partitioned":
        bounds = [f"WITH (MODULUS 3, REMAINDER {n})" for n in range(3)] if table.key else ["IN (true)", "IN (false)"]
        for number, bound in enumerate(bounds):
            part = sql.Identifier(table.schema, f"{table.name[:20]} part {number}")
            cursor.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES " + bound).format(part, table.identifier)
            )
    if table.shape == "inherited":
        cursor.execute(sql.SQL("CREATE TABLE {} () INHERITS ({})").format(_other(table), table.identifier))
    if table.shape == "secured":
        cursor.execute(
            sql.SQL(
                "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY;"
                "CREATE POLICY nobody ON {t} USING (false)"
            ).format(t=table.identifier)
        )


def _definition(name: str, kind: Kind) -> sql.Composable:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind.sql))


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _other(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.relations[1].removeprefix(f"{table.schema}."))


def fill(cursor: Cursor, table: Table, order: random.Random | None = None) -> Table:
    """Insert its rows, shuffled with an order; gives the table with those rows alone that had a place."""
    numbered = list(enumerate(table.rows))
    if order:
        order.shuffle(numbered)
    taken = [(number, row) for number, row in numbered if insert(cursor, table, row, number)]
    if table.padded:
        cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {}) g ON CONFLICT DO NOTHING").format(
                table.identifier,
                sql.Identifier(table.key[0] if table.key else table.columns[0][0]),
                sql.SQL("g" if table.key else "NULL"),
                sql.Literal(PADDING),
            )
        )
    return replace(table, rows=tuple(row for _, row in sorted(taken, key=lambda pair: pair[0])))


def insert(cursor: Cursor, table: Table, row: Row, number: int = 0) -> bool:
    """Whether the row found a place: its key was not there yet. Odd ones go into the child of an inherited table."""
    into = _other(table) if table.shape == "inherited" and number % 2 else table.identifier
    values = [
        sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind.sql))
        for value, (_, kind) in zip(row, table.columns, strict=True)
    ]
    cursor.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            into, _list([name for name, _ in table.columns]), sql.SQL(", ").join(values)
        )
    )
    return cursor.rowcount == 1


def finish(cursor: Cursor, table: Table) -> None:
    """Make what is computed from its rows."""
    if table.shape == "materialised":
        cursor.execute(sql.SQL("CREATE MATERIALIZED VIEW {} AS TABLE {}").format(_other(table), table.identifier))


# -- changing ---------------------------------------------------------------------------------------------------------


def apply(session: Session, table: Table, change: Change) -> bool:
    """Make the change; False where the table's own rules forbid it, or there is nothing to change."""
    try:
        with session, session.cursor() as cursor:
            made = _apply(cursor, table, change)
            if made and table.shape == "materialised" and change.other % 2:
                # In the view alone: its rows are those of a table that has its old ones back.
                cursor.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(_other(table)))
                cursor.execute(sql.SQL("TRUNCATE {}").format(table.identifier))
                fill(cursor, table)
            return made
    except IntegrityError:
        return False


def _apply(cursor: Cursor, table: Table, change: Change) -> bool:
    if change.kind == "extra":
        return insert(cursor, table, change.values, change.row)
    name = sql.Identifier(table.columns[change.column % len(table.columns)][0])
    cursor.execute(
        sql.SQL("SELECT tableoid, ctid::text, {}::text FROM {} ORDER BY 1, 2 LIMIT 50").format(name, table.identifier)
    )
    if not (found := cursor.fetchall()):
        return False
    at = change.row % len(found)
    others = [row for row in found if row[2] != found[at][2]]
    here, there = (
        sql.SQL("(tableoid = {} AND ctid = {}::tid)").format(sql.Literal(oid), sql.Literal(ctid))
        for oid, ctid, _ in (found[at], others[change.other % len(others)] if others else found[at])
    )
    if change.kind == "missing":
        cursor.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table.identifier, here))
        return True
    if change.kind == "duplicate":
        names = _list([name for name, _ in table.columns])
        statement = "INSERT INTO {t} ({names}) SELECT {names} FROM {t} WHERE {here}"
        cursor.execute(sql.SQL(statement).format(t=table.identifier, names=names, here=here))
        return True
    where, values = here, _new_values(table, change, here, there)
    if change.kind == "rows swapped":
        where = sql.SQL("{} OR {}").format(here, there)
    words = [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in values.items()]
    if not words:
        return False
    cursor.execute(sql.SQL("UPDATE {} SET {} WHERE {}").format(table.identifier, sql.SQL(", ").join(words), where))
    return True


def _new_values(table: Table, change: Change, here: sql.Composable, there: sql.Composable) -> dict[str, sql.Composable]:
    at = change.column % len(table.columns)
    name, kind = table.columns[at]
    if change.kind == "empty":
        text = "CASE WHEN {c}::text = '' THEN NULL ELSE ''::{kind} END"
        return {name: sql.SQL(text).format(c=sql.Identifier(name), kind=sql.SQL(kind.sql))}
    if change.kind == "value":
        return {name: sql.SQL("{}::{}").format(sql.Literal(change.values[at]), sql.SQL(kind.sql))}
    if change.kind == "null":
        return {name: sql.NULL} if name not in table.key else {}
    if change.kind == "columns swapped":
        other = table.columns[change.other][0]
        return {name: sql.Identifier(other), other: sql.Identifier(name)}
    text = "CASE WHEN {here} THEN (SELECT {c} FROM {t} WHERE {there}) ELSE (SELECT {c} FROM {t} WHERE {here}) END"
    one = sql.SQL(text).format(here=here, there=there, c=sql.Identifier(name), t=table.identifier)
    return {name: one}
