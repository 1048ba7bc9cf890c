"""What two states of a table differ in, read another way than gonogo reads them: by what COPY sends in binary."""

import io
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import extensions, sql
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

Fields = tuple[bytes | None, ...]


def read(session: Session, schema: str, name: str) -> "Rows":
    """Every row of a table or a materialised view; of a partitioned one those of its partitions."""
    with session, session.cursor() as cursor:
        cursor.execute(
            "SELECT c.relkind::text, array_agg(a.attname::text ORDER BY a.attnum)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.oid, c.relkind",
            (schema, name),
        )
        [(kind, columns)] = cursor.fetchall()
        cursor.execute(
            "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY(i.indkey) WHERE i.indisprimary AND i.indrelid = %s::regclass"
            " ORDER BY array_position(i.indkey::int2[], a.attnum)",
            (sql.Identifier(schema, name).as_string(cursor),),
        )
        key = [column for (column,) in cursor.fetchall()]
        texts = [sql.SQL("format('%s', {})").format(sql.Identifier(column)) for column in key]
        file = io.BytesIO()
        ours = extensions.get_wait_callback()
        extensions.set_wait_callback(None)  # psycopg2 copies only where it waits by itself
        cursor.copy_expert(
            sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)").format(
                sql.SQL(", ").join([*map(sql.Identifier, columns), *texts]),
                sql.SQL("" if kind == "p" else "ONLY "),
                sql.Identifier(schema, name),
            ),
            file,
        )
        extensions.set_wait_callback(ours)
    rows = _tuples(file.getvalue())
    width = len(columns)
    return Rows(tuple(columns), tuple(key), [row[:width] for row in rows], [_named(key, row[width:]) for row in rows])


def _named(key: Sequence[str], texts: Fields) -> str:
    return ", ".join(f"{name} = {(text or b'').decode()!r}" for name, text in zip(key, texts, strict=True))


@dataclass(frozen=True)
class Rows:
    """The rows of a table at one moment, and how each is named by its key."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: Sequence[Fields]
    names: Sequence[str]

    def by_key(self) -> dict[Fields, tuple[Fields, str]]:
        places = [self.columns.index(name) for name in self.key]
        pairs = zip(self.rows, self.names, strict=True)
        return {tuple(row[place] for place in places): (row, name) for row, name in pairs}


Difference = tuple[str, str, frozenset[str]]
"""Kind (missing, extra or changed), how the key names the row, and the columns that were changed."""


def differences(before: Rows, after: Rows) -> Counter[Difference]:
    """How often each difference is there; without a key a row is just missing or extra.

    Both states are of one database: what is sent may hold numbers that are its own.
    """
    if not before.key:
        was, now = Counter(before.rows), Counter(after.rows)
        found = {"missing": (was - now).total(), "extra": (now - was).total()}
        return Counter({(kind, "", frozenset[str]()): count for kind, count in found.items() if count})
    was_by, now_by = before.by_key(), after.by_key()
    total: Counter[Difference] = Counter()
    for key in was_by.keys() | now_by.keys():
        (old, old_name), (new, new_name) = was_by.get(key, (None, "")), now_by.get(key, (None, ""))
        if old is None or new is None:
            total["extra" if old is None else "missing", old_name or new_name, frozenset()] += 1
        elif old != new:
            total["changed", old_name, _unlike(before.columns, old, new)] += 1
    return total


def changed_columns(before: Rows, after: Rows) -> frozenset[str] | None:
    """Where one row is gone and one has come: the columns that differ between them."""
    gone, come = Counter(before.rows) - Counter(after.rows), Counter(after.rows) - Counter(before.rows)
    if gone.total() != 1 or come.total() != 1:
        return None
    return _unlike(before.columns, next(iter(gone)), next(iter(come)))


def _unlike(columns: Sequence[str], one: Fields, other: Fields) -> frozenset[str]:
    return frozenset(name for name, a, b in zip(columns, one, other, strict=True) if a != b)


def _tuples(data: bytes) -> list[Fields]:
    at, rows = 19, []
    while (count := struct.unpack_from("!h", data, at)[0]) >= 0:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if length < 0 else data[at : at + length])
            at += max(length, 0)
        rows.append(tuple(row))
    return rows
