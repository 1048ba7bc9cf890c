"""The fence around a database: nobody but gonogo may log in to it, and nobody else is logged in."""

import time
from collections.abc import Iterable, Mapping
from contextlib import closing

from psycopg2 import sql

from fixtures.connect import blocks
from fixtures.connect.database import SUPERUSER, Database
from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.facts import catalogue, server
from fixtures.facts.fact import ask
from fixtures.facts.roles import RULES, STALE, WRONG_LINES, WRONG_SETTINGS
from fixtures.policy import hba
from fixtures.scripts import script

PATIENCE = 20.0
"""Seconds that terminated sessions get to be gone, and that the server gets to read its rules."""
BLOCK = "closed database"
"""Names our block in pg_hba.conf."""

_EDITABLE = script(__file__, "editable.sh")
_LOOKS_EDITABLE = script(__file__, "looks_editable.sh")
"""What can be seen without writing: on a read-only host nothing can be written, whatever the file is like."""


def refuse_prepared(db: Database) -> None:
    """Raise `Refused` while a prepared transaction waits: it could still commit behind any fence."""
    count = ask(db, catalogue.PREPARED)
    if count:
        raise Refused(
            f"prepared transactions in the database {db.dbname} on the source",
            expected="none",
            found=str(count),
            remedy="`SELECT gid, owner FROM pg_prepared_xacts` names them; have each owner type COMMIT PREPARED 'gid' or ROLLBACK PREPARED 'gid'",
        )


def rules_file(host: Host, db: Database) -> str:
    """The server's pg_hba.conf; raises `Refused` where our rules could not be put into it, and nothing was changed."""
    path = str(ask(db, server.setting("hba_file")))
    found = [*ask(db, WRONG_LINES), *ask(db, WRONG_SETTINGS), *hindrances(host, path)]
    # Loading it would put into force what somebody else has changed and not loaded; an attempt of ours may have died there.
    if ask(db, STALE) and BLOCK not in blocks.markers(host.read_file(path)):
        found.append("it was changed since the server loaded it")
    if found:
        raise Refused(
            f"{path} on the {host.name}",
            expected="a file without a wrong line, as the server has loaded it, that can be replaced",
            found="; ".join(found),
            remedy="mend it there (SELECT pg_reload_conf() loads it), then run the same command again: this one changed nothing",
        )
    return path


def hindrances(host: Host, path: str) -> list[str]:
    """What keeps a file from being replaced, as far as that can be seen without writing where nothing may be written."""
    return host.check([*(_LOOKS_EDITABLE if host.read_only else _EDITABLE), path]).splitlines()


def fence(
    host: Host, db: Database, logins: Iterable[str], *, file: str = "", subscriptions: Iterable[str] = ()
) -> None:
    """Close the database to everybody but our own sessions, and end all others; raises `StepFailed` when one stays.

    `file` is what `rules_file` gave; without one no rules are changed. Done again, it closes what an earlier attempt did not
    reach.
    """
    if file:
        _shut(host, db, file)
    for role in _there(db, logins):
        db.execute(login_statement(role, False), dbname="postgres")
    _enable(db, subscriptions, wanted=False)
    _end_sessions(db)


def unfence(
    host: Host, db: Database, logins: Mapping[str, bool], *, file: str = "", subscriptions: Iterable[str] = ()
) -> None:
    """Undo `fence`: rules, roles that could log in before, and subscriptions; what is no longer there is passed over."""
    # The rules come last but one: whatever keeps the server from reading them keeps nothing else from being undone.
    for role in _there(db, [role for role, could in logins.items() if could]):
        db.execute(login_statement(role, True), dbname="postgres")
    if file:
        host.remove_block(file, BLOCK)
        _load(db)
    _enable(db, subscriptions, wanted=True)


def login_statement(role: str, allowed: bool) -> sql.Composed:
    """The statement that lets a role log in, or not."""
    return sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), sql.SQL("LOGIN" if allowed else "NOLOGIN"))


def _there(db: Database, names: Iterable[str]) -> list[str]:
    """Those of the roles that the server still has."""
    query = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1"
    return [name for (name,) in db.rows(query, (list(names),), dbname="postgres")]


def _enable(db: Database, names: Iterable[str], *, wanted: bool) -> None:
    """Enable or disable those of the subscriptions that the database still has, and that are not so already."""
    known = ask(db, catalogue.SUBSCRIPTIONS)
    word = sql.SQL("ENABLE" if wanted else "DISABLE")
    for name in names:
        if known.get(name, wanted) is not wanted:
            db.execute(sql.SQL("ALTER SUBSCRIPTION {} {}").format(sql.Identifier(name), word))


def _shut(host: Host, db: Database, file: str) -> None:
    """Have pg_hba.conf refuse the database to everybody but us; where that cannot be, it is as it was."""
    host.edit_block(file, BLOCK, hba.closed_to_all_but(db.dbname, SUPERUSER), at="top")
    wrong = [*ask(db, WRONG_LINES), *hba.other_ways_in(ask(db, RULES), db.dbname, SUPERUSER)]
    if not wrong and not _load(db):
        wrong = [f"the server has not read them {PATIENCE:.0f} seconds after it was told to: see its log"]
    if not wrong:
        try:
            db.connect().close()
        except CouldNotVerify as error:
            wrong = [f"we could not log in ourselves: {error.found}"]
    if wrong:
        host.remove_block(file, BLOCK)
        _load(db)
        raise StepFailed(
            f"closing {db.dbname} in {file} on the {host.name}",
            expected="rules that let in nobody but gonogo",
            found="; ".join(wrong),
            remedy="the file is as it was; mend what is named and run the same command again",
        )


def _load(db: Database) -> bool:
    """Have the server read its rules; whether it says so in time.

    It reads them also where it does not say so: a mistake in postgresql.conf keeps the time of loading as it was.
    """
    before = _loaded(db)
    db.execute("SELECT pg_reload_conf()", dbname="postgres")
    deadline = time.monotonic() + PATIENCE
    while _loaded(db) == before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _loaded(db: Database) -> object:
    """When the server last read its configuration: only a session that begins afterwards surely knows."""
    with closing(db.connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute("SELECT pg_conf_load_time()")
        return cursor.fetchall()


def _end_sessions(db: Database) -> None:
    """End every session in the database but our own, whatever it calls itself."""
    deadline = time.monotonic() + PATIENCE
    # Repeated, because a session may have been about to log in when its role was fenced.
    while others := [one for one in ask(db, server.inside(db.dbname)) if one.pid not in db.backends()]:
        if time.monotonic() > deadline:
            raise StepFailed(
                f"sessions in {db.dbname} on the {db.host.name}",
                expected="none but gonogo's",
                found=f"{'; '.join(map(str, others))}, {PATIENCE:.0f} seconds after they were told to end",
                remedy="stop what begins them again (an extension's worker), or end them by hand (pg_terminate_backend), "
                "then run the same command again",
            )
        pids = [one.pid for one in others]
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s) AND datname = %s",
            (pids, db.dbname),
            dbname="postgres",
        )
        time.sleep(0.1)
