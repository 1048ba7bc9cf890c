"""PostgreSQL on the target: the server, its data on the data mount, its passwords, the role and the database."""

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import PurePosixPath

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.fact import ask
from fixtures.facts.roles import roles_named
from fixtures.plan import Plan
from fixtures.policy.hba import quoted
from fixtures.run.journal import TargetDatabaseStarted
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import script, text, with_arguments
from fixtures.secrets import Secret
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit

PASSWORDS = "passwords required"
"""Names our block in pg_hba.conf."""

log = logging.getLogger(__name__)

# $1 the unit.
_START_AGAIN = 'systemctl reset-failed -- "$1" 2>/dev/null || :; systemctl start -- "$1"'
_LAST_LINE = script(__file__, "last_line.sh")
_MOVE = text(__file__, "move_data.sh")
REFUSE_WRONG_RULES = script(__file__, "refuse_wrong_rules.sh")
"""The command that fails, with the server's words, when pg_hba.conf as it stands on disk holds a wrong line."""


@step(needs=["data_mounted"], gives=["database_installed"], harmless=True)
def install_postgresql(plan: Plan, run: Run, target: Host) -> None:
    """Install the database server and its development files, and have it start at boot."""
    packages.install(target, run, "install_postgresql", plan.postgresql.packages)
    unit = server_unit(plan)
    target.check(["systemctl", "enable", "--quiet", "postgresql.service"])
    target.check(["systemctl", "start", unit], timeout=120)


@step(needs=["database_installed", "data_mounted"], gives=["data_on_mnt"], harmless=True)
def move_data_to_mount(plan: Plan, run: Run, target: Host) -> None:
    """Move PostgreSQL's data directory to the data mount and leave a link behind."""
    unit = server_unit(plan)
    folder = f"/etc/systemd/system/{unit}.d"
    target.check(["install", "-d", "-m", "0755", folder])
    target.write_file(f"{folder}/gonogo-mount.conf", waits_for(plan.data_on_mount))
    target.check(["systemctl", "daemon-reload"])
    target.check(["systemctl", "stop", unit], timeout=120)
    run_unit(target, run, "move_data_to_mount", move_script(plan), 3600)
    target.check(["systemctl", "start", unit], timeout=120)


def server_unit(plan: Plan) -> str:
    """The unit of the plan's cluster."""
    return f"postgresql@{plan.postgresql.version}-{plan.postgresql.cluster}.service"


def is_up(plan: Plan, target: Host) -> bool:
    """Whether PostgreSQL of the target runs."""
    return target.succeeds(["systemctl", "is-active", "--quiet", "--", server_unit(plan)])


def start_again(plan: Plan, run: Run, target: Host) -> bool:
    """Start PostgreSQL of the target where it is down, and say so in the journal; whether it was. Raises `StepFailed` with its log's end."""
    unit = server_unit(plan)
    if is_up(plan, target):
        return False
    last = _last_words(plan, target)
    log.info("PostgreSQL of the target (%s) is down: it is started once again. Its log ends: %s", unit, last)
    run.journal(TargetDatabaseStarted(unit=unit))
    if not target.succeeds(["sh", "-c", _START_AGAIN, "start", unit], timeout=120):
        raise died(plan, target)
    return True


def died(plan: Plan, target: Host) -> StepFailed:
    """The error for a target whose PostgreSQL does not stay up."""
    return StepFailed(
        f"PostgreSQL of the target ({server_unit(plan)})",
        expected="to run, after it was started once again",
        found=f"it is down; its log ends: {_last_words(plan, target)}",
        remedy="mend on the target what its log names (is its disk full?), then run the same command again, which starts it",
    )


def _last_words(plan: Plan, target: Host) -> str:
    """The last line of the server's log."""
    file = f"/var/log/postgresql/postgresql-{plan.postgresql.version}-{plan.postgresql.cluster}.log"
    return target.check([*_LAST_LINE, file, server_unit(plan)]).strip() or "nothing"


def waits_for(path: PurePosixPath) -> str:
    """The drop-in that lets the server start only where its data's mount is there, and stop with it."""
    return f"[Unit]\nRequiresMountsFor={path}\n"


def move_script(plan: Plan) -> str:
    """The script that moves the data; the server must be stopped."""
    controldata = f"/usr/lib/postgresql/{plan.postgresql.version}/bin/pg_controldata"
    return with_arguments(_MOVE, plan.data_directory, plan.data_on_mount, plan.target.volume.mount, controldata)


@step(needs=["data_on_mnt", "source_surveyed"], gives=["passwords_required"], harmless=True)
def require_passwords(plan: Plan, target: Host, source_db: Database, target_db: Database) -> None:
    """Ask for a password over TCP, ahead of every looser rule, and store new ones in the plan's form."""
    method = plan.database.over_tcp
    if str(target_db.value("SHOW password_encryption", dbname="postgres")) != method:
        target_db.execute(
            sql.SQL("ALTER SYSTEM SET password_encryption = {}").format(sql.Literal(method)), dbname="postgres"
        )
    path = str(target_db.value("SHOW hba_file", dbname="postgres"))
    others = ask(source_db, roles_named({*plan.database.other_roles} - {plan.database.role}))
    lines = hba_lines(plan, [name for name, role in others.items() if (role.password or "").startswith("md5")])
    target.edit_block(path, PASSWORDS, lines, at="top", validate=REFUSE_WRONG_RULES)
    target.check(["systemctl", "reload", server_unit(plan)])


def hba_lines(plan: Plan, md5_roles: Sequence[str]) -> list[str]:
    """The rules that come before all others; `md5_roles` are further roles of which production has only an md5 hash."""
    method, name = plan.database.over_tcp, quoted(plan.database.name)
    by_peer = [f"local {name} {quoted(plan.database.role)} peer"] if plan.database.password is None else []
    # Such a hash cannot be turned into a SCRAM one without the password. md5 takes both kinds.
    own = [(quoted(role), "md5") for role in md5_roles] if method != "md5" else []
    return by_peer + [
        f"host {name} {role} {address} {form}"
        for role, form in [*own, ("all", method)]
        for address in ("127.0.0.1/32", "::1/128")
    ]


@step(needs=["passwords_required", "source_surveyed"], gives=["database_created"], harmless=True)
def create_role_and_database(plan: Plan, run: Run, target: Host, target_db: Database) -> None:
    """Create the application's role and database, in production's encoding and collation, with their grants."""
    survey = run.records(Survey)
    database, role = plan.database.name, plan.database.role
    if not target_db.value("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,), dbname="postgres"):
        target_db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)), dbname="postgres")
    if not target_db.value("SELECT 1 FROM pg_database WHERE datname = %s", (database,), dbname="postgres"):
        _refuse_unknown_locale(target, (survey.collation, survey.ctype))
        target_db.execute(create_database(plan, survey), dbname="postgres", timeout=300)
    names = {"database": sql.Identifier(database), "role": sql.Identifier(role)}
    target_db.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {role}").format(**names), dbname="postgres")
    target_db.execute(
        sql.SQL("GRANT ALL PRIVILEGES ON DATABASE {database} TO {role}").format(**names), dbname="postgres"
    )
    password = plan.database.password
    if password and target_db.password_login(role, password.reveal()) is not None:
        made = verifier(plan, password, target_db)
        target_db.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(names["role"], sql.Literal(made)), dbname="postgres"
        )


def create_database(plan: Plan, survey: Survey) -> sql.Composed:
    """The statement that makes the database as production's is; from template0, the only one that takes any locale."""
    return sql.SQL(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
    ).format(
        sql.Identifier(plan.database.name), sql.Identifier(plan.database.role),
        sql.Literal(survey.encoding), sql.Literal(survey.collation), sql.Literal(survey.ctype),
    )  # fmt: skip


def verifier(plan: Plan, password: Secret, target_db: Database) -> str:
    """A new hash of the application's password, in the plan's form.

    The server gets it alone: no log of its, and no statement of ours, ever holds the password.
    """
    with closing(target_db.connect("postgres", read_only=False)) as session:
        made: str = encrypt_password(password.reveal(), plan.database.role, session, plan.database.over_tcp)
    return made


def _refuse_unknown_locale(target: Host, wanted: Sequence[str]) -> None:
    known = {_plain(name) for name in target.check(["locale", "-a"]).split()}
    absent = [name for name in dict.fromkeys(wanted) if _plain(name) not in known]
    if absent:
        raise StepFailed(
            "the target's locales",
            expected=f"production's collation {wanted[0]} and character type {wanted[1]}",
            found=f"no {' and no '.join(absent)}",
            remedy='add "locales-all" to postgresql.packages in the plan, then run the same command again',
        )


def _plain(locale: str) -> str:
    return locale.lower().replace("-", "")
