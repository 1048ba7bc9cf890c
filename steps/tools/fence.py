"""The fence around a database: no role that could write may log in, and none is logged in."""

import time
from collections.abc import Iterable, Mapping

from psycopg2 import sql

from fixtures.connect.database import Database
from fixtures.errors import Refused, StepFailed

PATIENCE = 20.0
"""Seconds that terminated sessions get to be gone."""

# Superusers and replication are spared: ours are among them, and nobody could reopen anything without them.
_WRITERS = """
SELECT r.rolname::text FROM pg_roles r JOIN pg_database d ON d.datname = current_database()
WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolreplication AND has_database_privilege(r.oid, d.oid, 'CONNECT')
  AND (pg_has_role(r.oid, d.datdba, 'MEMBER') OR has_database_privilege(r.oid, d.oid, 'CREATE')
       OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
                    AND (c.relkind IN ('r', 'p', 'v', 'f')
                         AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                         OR c.relkind = 'S' AND has_sequence_privilege(r.oid, c.oid, 'USAGE, UPDATE')))
       OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND has_schema_privilege(r.oid, n.oid, 'CREATE')))
ORDER BY 1
"""
_ELSEWHERE = """
SELECT DISTINCT datname::text FROM pg_stat_activity WHERE usename = ANY(%s) AND datname <> current_database() ORDER BY 1
"""
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY(%s) AND backend_type = 'client backend'"
_PREPARED = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"


def writers(db: Database) -> list[str]:
    """The roles that can log in and write to the application's database."""
    return [name for (name,) in db.rows(_WRITERS)]


def other_databases(db: Database, roles: Iterable[str]) -> list[str]:
    """Other databases of the cluster in which these roles are logged in now: the fence hits them too."""
    return [name for (name,) in db.rows(_ELSEWHERE, (list(roles),))]


def refuse_prepared(db: Database) -> None:
    """Raise `Refused` while a prepared transaction waits: it could still commit behind any fence."""
    count = db.value(_PREPARED)
    if count:
        raise Refused(
            f"prepared transactions in the database {db.dbname} on the source",
            expected="none",
            found=str(count),
            remedy="`SELECT gid, owner FROM pg_prepared_xacts` names them; have each owner type COMMIT PREPARED 'gid' or ROLLBACK PREPARED 'gid'",
        )


def login_statement(role: str, allowed: bool) -> sql.Composed:
    """The statement that lets a role log in, or not."""
    return sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), sql.SQL("LOGIN" if allowed else "NOLOGIN"))


def fence(db: Database, roles: Iterable[str]) -> None:
    """Let these roles log in no more, and end their sessions; raises `StepFailed` when one stays."""
    names = list(roles)
    for role in names:
        db.execute(login_statement(role, False), dbname="postgres")
    deadline = time.monotonic() + PATIENCE
    while sessions := db.value(_SESSIONS, (names,), dbname="postgres"):
        if time.monotonic() > deadline:
            raise StepFailed(
                f"sessions of {', '.join(names)}",
                expected="none: their roles may not log in any more",
                found=f"{sessions} after {PATIENCE:.0f} seconds",
                remedy="end them by hand (pg_stat_activity, pg_terminate_backend), then run the same command again",
            )
        # Repeated, because a session may have been about to log in when its role was fenced.
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = ANY(%s) AND backend_type = 'client backend'",
            (names,),
            dbname="postgres",
        )
        time.sleep(0.1)


def unfence(db: Database, before: Mapping[str, bool]) -> None:
    """Let those roles log in that could before the fence; the others stay as they are."""
    for role, could in before.items():
        if could:
            db.execute(login_statement(role, True), dbname="postgres")
