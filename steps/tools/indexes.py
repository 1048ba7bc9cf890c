"""The indexes of the target, verified by PostgreSQL's own amcheck after a restore."""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from fixtures.run.records import IndexesVerified

_AVAILABLE = """
SELECT n.nspname FROM pg_available_extensions a
LEFT JOIN pg_extension e ON e.extname = a.name LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE a.name = 'amcheck'
"""
_INDEXES = """
SELECT i.indexrelid, i.indexrelid::regclass::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND i.indisready AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 2
"""
_SCHEMA = "gonogo_amcheck"


def verify_indexes(session: Session, *, heap: bool) -> IndexesVerified:
    """Verify every B-tree index of the user's tables; with `heap`, that no row lacks its entry, which reads all tables too.

    The session may write and has autocommit off: the extension comes and goes in a transaction that is always undone.
    """
    try:
        return _verify(session, heap=heap)
    except psycopg2.Error as error:
        return IndexesVerified(heap=heap, unavailable=_reason(error))
    finally:
        if not session.closed:
            session.rollback()


def _verify(session: Session, *, heap: bool) -> IndexesVerified:
    verified, broken = 0, dict[str, str]()
    with session.cursor() as cursor:
        # Event triggers came over with the data, and this is no change of the schema that they should see.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_AVAILABLE)
        available = cursor.fetchall()
        if not available:
            return IndexesVerified(heap=heap, unavailable="the server has no extension amcheck")
        schema = available[0][0]
        if schema is None:
            schema = _SCHEMA
            cursor.execute(f"CREATE SCHEMA {_SCHEMA}; CREATE EXTENSION amcheck SCHEMA {_SCHEMA}")
        check = sql.SQL("SELECT {}(%s::oid::regclass, %s)").format(sql.Identifier(schema, "bt_index_check"))
        cursor.execute(_INDEXES)
        for oid, name in cursor.fetchall():
            cursor.execute("SAVEPOINT one_index")  # one that is broken must not hide the others
            try:
                cursor.execute(check, (oid, heap))
                verified += 1
            except psycopg2.Error as error:
                cursor.execute("ROLLBACK TO SAVEPOINT one_index")
                broken[name] = _reason(error)
            cursor.execute("RELEASE SAVEPOINT one_index")
    return IndexesVerified(heap=heap, verified=verified, broken=broken)


def _reason(error: psycopg2.Error) -> str:
    # The detail may quote values of rows.
    return error.diag.message_primary or type(error).__name__
