"""The database: wiped on the target and streamed there anew from a snapshot of production."""

import logging
import shlex
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import psycopg2
from psycopg2 import sql

from fixtures.connect import conninfo
from fixtures.connect.database import SUPERUSER, Database
from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.facts.fact import ask
from fixtures.facts.roles import role_settings, roles_named
from fixtures.plan import Plan
from fixtures.policy import roles
from fixtures.run.records import DataCopy, IndexesVerified, SourceClosure, Survey
from fixtures.run.run import Run
from fixtures.sameness import catalog
from fixtures.sameness.comparisons import read_comparisons
from fixtures.sameness.digest import Digest, choose_method, keep_digest
from fixtures.sameness.reading import open_reading
from fixtures.sameness.tables import LARGE_OBJECTS
from fixtures.secrets import Secret
from steps.build.postgresql import create_database, died, is_up, start_again, verifier
from steps.rehearse.application import stop_pack_if_there
from steps.step import step
from steps.tools.copying import Arriving, channel
from steps.tools.grants import about_database, carry_public_schema
from steps.tools.indexes import verify_indexes
from steps.tools.units import unit_name

log = logging.getLogger(__name__)

PURPOSE = "copy_database"
LIMIT = 12 * 3600.0
"""Seconds that a copy may take."""

_USED_ROLES = """
SELECT DISTINCT r.rolname::text FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname !~ '^pg_' AND r.rolname <> %s
  AND (s.dbid = (SELECT oid FROM pg_database WHERE datname = %s)
       OR s.classid = 'pg_database'::regclass AND s.objid = (SELECT oid FROM pg_database WHERE datname = %s))
"""


@step(
    needs=["database_created", "target_quarantined"],
    gives=["data_copied"],
    destroys="the application's database on the target, to fill it anew from production",
    writes_to_source="a key for this copy alone, kept in memory, and the unit that sends the database",
)
def copy_database(
    plan: Plan, run: Run, open_source: Host, source_db: Database, target: Host, target_db: Database
) -> None:
    """Wipe the target's database and stream production's into it."""
    _Copy(plan, run, open_source, source_db, target, target_db).go(final=False)


@step(
    needs=["source_closed", "target_stopped"],
    gives=["final_data_copied"],
    destroys="the rehearsal's database on the target, to fill it from closed production",
    writes_to_source="a key for this copy alone, kept in memory, and the unit that sends the database",
)
def copy_database_again(
    plan: Plan, run: Run, open_source: Host, source_db: Database, target: Host, target_db: Database
) -> None:
    """Wipe the target's database once more and stream closed production's into it."""
    _Copy(plan, run, open_source, source_db, target, target_db).go(final=True)


def restore_command(plan: Plan) -> list[str]:
    """What the target runs for the copy: one transaction, undone when the stream breaks off or anything fails."""
    restore = ["sudo", "-n", "-u", SUPERUSER, "--", "pg_restore", "--exit-on-error", "--single-transaction",
               f"--port={plan.postgresql.port}", f"--dbname={conninfo.database(plan.database.name)}"]  # fmt: skip
    return ["sh", "-c", f"cd / && exec {shlex.join(restore)}"]


def dump_script(plan: Plan, snapshot: str, ssh: Sequence[str]) -> str:
    """The script on the source: the dump of a snapshot, compressed by pg_dump itself, straight into ssh."""
    dump = ["nice", "-n", "10", "ionice", "-c", "2", "-n", "7", "runuser", "-u", SUPERUSER, "--",
            "pg_dump", f"--port={plan.postgresql.port}", f"--snapshot={snapshot}", "--format=custom", "--compress=1",
            "--lock-wait-timeout=10000", conninfo.database(plan.database.name)]  # fmt: skip
    return f"set -o pipefail\ncd /\n{shlex.join(dump)} | {shlex.join(ssh)}\n"


@dataclass(frozen=True)
class _Copy:
    """One copy, from the key that it pushes with to the last ANALYZE."""

    plan: Plan
    run: Run
    open_source: Host
    source_db: Database
    target: Host
    target_db: Database

    def go(self, *, final: bool) -> None:
        """Copy; once more where PostgreSQL of the target died meanwhile. Production's is never touched."""
        try:
            self._go(final=final)
        except (StepFailed, CouldNotVerify):
            if not start_again(self.plan, self.run, self.target):
                raise
            self.target_db.close()
            try:
                self._go(final=final)
            except (StepFailed, CouldNotVerify) as error:
                if is_up(self.plan, self.target):
                    raise
                raise died(self.plan, self.target) from error

    def _go(self, *, final: bool) -> None:
        """Copy, or wait for the copy that an earlier process began."""
        begun = time.monotonic()
        forced = restore_command(self.plan)
        with channel(self.open_source, self.target, self.plan, self.run, purpose=PURPOSE, forced_command=forced) as ssh:
            copied = self._pending(final)
            if copied is None:
                stop_pack_if_there(self.target, self.plan)  # of an earlier rehearsal: it would come in between
                self._prepare()
                copied = self._stream(ssh, final)
            else:
                self._wait(self._unit(copied.snapshot))
        verified = self._finish(final=final)
        with closing(self.source_db.connect(read_only=True)) as session:
            after = catalog.read_sequences(session)
        seconds = round(time.monotonic() - begun, 3)
        self.run.record(copied.model_copy(update={"seconds": seconds, "sequences_after": after, "indexes": verified}))
        # Only now: a unit that is still known tells a later process that the copy was not finished.
        self.open_source.stop_unit(self._unit(copied.snapshot))

    def _unit(self, snapshot: str) -> str:
        return unit_name(self.run, f"{PURPOSE}-{snapshot}")

    def _pending(self, final: bool) -> DataCopy | None:
        """The record of a copy that is still under way, or that ended after gonogo itself had stopped."""
        if self.run.has(DataCopy):
            copied = self.run.records(DataCopy)
            state = self.open_source.unit_result(self._unit(copied.snapshot)).state
            if copied.final == final and state in ("running", "succeeded"):
                log.info("a copy of snapshot %s is %s: waiting for it", copied.snapshot, state)
                return copied
        for unit in self._leftovers():
            self.open_source.stop_unit(unit)
        return None

    def _leftovers(self) -> list[str]:
        prefix = unit_name(self.run, PURPOSE).removesuffix(".service")
        shown = self.open_source.check(["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{prefix}-*"])
        return [line.split()[0] for line in shown.splitlines() if line.strip()]

    def _prepare(self) -> None:
        """Roles as production has them, and an empty database."""
        self.target.check(["systemctl", "stop", *self.plan.application.pack], timeout=120)
        wanted = roles.names(self.plan)
        logins = self.run.records(SourceClosure).logins if self.run.has(SourceClosure) else {}
        known = roles.with_logins(ask(self.source_db, roles_named(wanted)), logins)
        self._refuse_unlisted(wanted, sorted(set(wanted) - set(known)))
        own = known[self.plan.database.role]
        password = self.plan.database.password
        if password and roles.made_anew(self.plan, own.name, own.password):
            known[own.name] = replace(own, password=self._new_hash(own, password))
        existing = {name for (name,) in self.target_db.rows("SELECT rolname::text FROM pg_roles", dbname="postgres")}
        statements = [roles.create(name) for name in wanted if name not in existing]
        # Groups before members: a grant needs both.
        statements += [statement for role in known.values() for statement in roles.alter(role)]
        self._run_quietly(statements)
        name = sql.Identifier(self.plan.database.name)
        self.target_db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name), dbname="postgres")
        self.target_db.execute(create_database(self.plan, self.run.records(Survey)), dbname="postgres", timeout=300)

    def _new_hash(self, own: roles.Role, password: Secret) -> str:
        """The application's password in the plan's form, proven to be production's; production's hash is of another."""
        if not roles.opens(own.password, own.name, password.reveal()):
            raise Refused(
                f"the password of {own.name} in the plan",
                expected="production's: its hash must be made anew for scram-sha-256",
                found="another one",
                remedy="mend database.password in the plan; nothing was changed",
            )
        return verifier(self.plan, password, self.target_db)

    def _refuse_unlisted(self, wanted: Sequence[str], absent: Sequence[str]) -> None:
        database = self.plan.database.name
        used = {name for (name,) in self.source_db.rows(_USED_ROLES, (SUPERUSER, database, database))}
        unlisted = sorted(used - set(wanted))
        if unlisted or absent:
            mistakes = (
                [f"{', '.join(unlisted)} own something in it or may use it, and the plan does not list them"]
                if unlisted
                else []
            )
            mistakes += [f"production has no role {', '.join(absent)}"] if absent else []
            raise Refused(
                f"the roles of {database}",
                expected="database.role and database.other_roles to be those that the database needs",
                found="; ".join(mistakes),
                remedy="correct database.other_roles in the plan; nothing was changed",
            )

    def _run_quietly(self, statements: Sequence[sql.Composed]) -> None:
        """Run statements on the target that hold passwords' hashes: neither its log nor an error of ours shows them."""
        with closing(self.target_db.connect("postgres", read_only=False)) as session:
            try:
                with session, session.cursor() as cursor:
                    cursor.execute("SET LOCAL log_statement = 'none'; SET LOCAL log_min_duration_statement = -1;"
                                   " SET LOCAL log_min_error_statement = 'panic'")  # fmt: skip
                    for statement in statements:
                        cursor.execute(statement)
            except psycopg2.Error as error:
                raise StepFailed(
                    "the roles on the target",
                    expected="to be made as production has them",
                    found=f"SQLSTATE {error.pgcode}: {error.diag.message_primary or 'no reason given'}",
                    remedy="nothing of this took effect; mend the cause and run the same command again",
                ) from None

    def _stream(self, ssh: Sequence[str], final: bool) -> DataCopy:
        """Export a snapshot, start the copy of it, and record what the snapshot holds while the copy runs."""
        with (
            closing(self.target_db.connect()) as other,
            closing(open_reading(self.source_db, self.plan, "production", say=log.info)) as reading,
        ):
            reading.method = choose_method(reading.session, other)
            unit = self._unit(reading.snapshot)
            # Sequences stand outside every snapshot: they are read before the dump reads them, and once more after it.
            sequences = catalog.read_sequences(reading.session)
            self.open_source.start_unit(unit, dump_script(self.plan, reading.snapshot, ssh))
            digests = reading.digests()
            proven = {name: keep_digest(self.run.directory, d) for name, d in digests.items() if isinstance(d, Digest)}
            objects = proven.pop(LARGE_OBJECTS, None)
            copied = DataCopy(
                final=final,
                snapshot=reading.snapshot,
                source_identifier=self.source_db.identity(),
                target_identifier=self.target_db.identity(),
                tables=dict(sorted(proven.items())),
                unproven={name: error.found for name, error in digests.items() if isinstance(error, CouldNotVerify)},
                sequences=sequences,
                sequences_after=sequences,
                large_objects=catalog.count_large_objects(reading.session),
                large_objects_digest=objects.digest if objects else "",
                comparisons=read_comparisons(reading.session, self.plan.comparison),
            )
            self.run.record(copied)
            # The session stays until the end: were the dump slow to begin, it would find no snapshot any more.
            self._wait(unit)
        return copied

    def _wait(self, unit: str) -> None:
        arriving = Arriving(self.target, str(self.plan.data_directory), "the database")
        self.open_source.wait_unit(unit, LIMIT, each_look=arriving)

    def _finish(self, *, final: bool) -> IndexesVerified:
        """What a dump of one database does not carry: its grants, comment, settings and statistics. Then its indexes."""
        name = self.plan.database.name
        carry_public_schema(self.source_db, self.target_db)
        statements = about_database(self.source_db, name, self.plan.database.role)
        for setting in ask(self.source_db, role_settings(roles.names(self.plan), name)):
            statements += roles.apply_setting(setting)
        self._run_quietly(statements)
        self.target_db.execute("ANALYZE", timeout=LIMIT)
        with closing(self.target_db.connect(read_only=False, statement_timeout=LIMIT)) as session:
            # In the outage no table is read once more: the rehearsal's restore of the same indexes was verified whole.
            return verify_indexes(session, heap=not final)
