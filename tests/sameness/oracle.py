"""What two states of a table differ in, read another way than gonogo reads them: by what COPY sends in binary."""

import io
import struct
from collections import Counter
from collections.abc import Sequence

from psycopg2 import sql
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
            " AND a.attnum = ANY(i.indkey) WHERE i.indisprimary AND i.indrelid = %s::regclass",
            (sql.Identifier(schema, name).as_string(cursor),),
        )
        key = [column for (column,) in cursor.fetchall()]
        file = io.BytesIO()
        cursor.copy_expert(
            sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL("" if kind == "p" else "ONLY "),
                sql.Identifier(schema, name),
            ),
            file,
        )
    return Rows(tuple(columns), tuple(key), _tuples(file.getvalue()))


class Rows:
    """The rows of a table at one moment."""

    def __init__(self, columns: Sequence[str], key: Sequence[str], rows: Sequence[Fields]) -> None:
        self.columns, self.key, self.rows = columns, key, rows

    def by_key(self) -> dict[Fields, Fields]:
        places = [self.columns.index(name) for name in self.key]
        return {tuple(row[place] for place in places): row for row in self.rows}


def differences(before: Rows, after: Rows) -> Counter[tuple[str, frozenset[str]]]:
    """How often each kind of difference is there: missing, extra, or changed in these columns.

    Both states are of one database: what is sent may hold numbers that are its own.
    """
    if not before.key:
        was, now = Counter(before.rows), Counter(after.rows)
        found = {"missing": (was - now).total(), "extra": (now - was).total()}
        return Counter({(kind, frozenset[str]()): count for kind, count in found.items() if count})
    was_by, now_by = before.by_key(), after.by_key()
    total: Counter[tuple[str, frozenset[str]]] = Counter()
    for key in was_by.keys() | now_by.keys():
        old, new = was_by.get(key), now_by.get(key)
        if old is None or new is None:
            total["extra" if old is None else "missing", frozenset()] += 1
        elif old != new:
            pairs = zip(before.columns, old, new, strict=True)
            total["changed", frozenset(name for name, one, other in pairs if one != other)] += 1
    return total


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
