"""What a dump of one database leaves out about the database itself and its schema public."""

from collections.abc import Sequence

from psycopg2 import sql

from fixtures.connect.database import Database

_DATABASE_GRANTS = """
SELECT coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable
FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE d.datname = %s ORDER BY 1, 2
"""
_PUBLIC_GRANTS = """
SELECT coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = 'public' ORDER BY 1, 2
"""
_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"

SAFER_PUBLIC = 150000
"""The first server version whose schema public belongs to the database's owner and lets nobody else create in it."""


def grants_anew(kind: str, name: str, owner: str, grants: Sequence[tuple[str, str, bool]]) -> list[sql.Composed]:
    """The statements that give a new DATABASE or SCHEMA exactly these grants (grantee "" is PUBLIC); none for the default."""
    if not grants:
        return []
    subject = sql.SQL(kind) + sql.SQL(" ") + sql.Identifier(name)
    statements = [
        sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(subject),
        sql.SQL("REVOKE ALL ON {} FROM {}").format(subject, sql.Identifier(owner)),
    ]
    for grantee, privilege, grantable in grants:
        statements.append(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                sql.SQL(privilege),
                subject,
                sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )
    return statements


def about_database(source_db: Database, name: str, owner: str) -> list[sql.Composed]:
    """The statements that give the database production's grants and comment."""
    grants = [(g, p, bool(o)) for g, p, o in source_db.rows(_DATABASE_GRANTS, (name,), dbname="postgres")]
    comment = sql.Literal(source_db.value(_COMMENT, (name,), dbname="postgres"))
    set_comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), comment)
    return [*grants_anew("DATABASE", name, owner, grants), set_comment]


def carry_public_schema(source_db: Database, target_db: Database) -> None:
    """Make the schema public as production has it: a dump says nothing of one that is as its server made it, or gone."""
    rows = source_db.rows("SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'public'")
    if not rows:
        target_db.execute("DROP SCHEMA IF EXISTS public")
    elif _version(source_db) < SAFER_PUBLIC <= _version(target_db):
        owner = rows[0][0]
        grants = [(g, p, bool(o)) for g, p, o in source_db.rows(_PUBLIC_GRANTS)]
        target_db.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner)))
        for statement in grants_anew("SCHEMA", "public", owner, grants):
            target_db.execute(statement)


def _version(db: Database) -> int:
    return int(db.value("SELECT current_setting('server_version_num')"))
