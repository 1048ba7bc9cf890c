"""The last touches of the build: what production relies on beside its software, and pending security updates."""

import logging
import re
from collections.abc import Mapping, Sequence

from psycopg2 import sql

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts import likeness, updates
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import text
from steps.build.postgresql import server_unit
from steps.step import step
from steps.tools.units import run_unit

log = logging.getLogger(__name__)

NGINX = "/etc/nginx/conf.d/gonogo-production.conf"
SYSCTL = "/etc/sysctl.d/90-gonogo-production.conf"
HOSTS = "production's names"
"""Names our block in /etc/hosts."""

_LIBRARIES = "postgresql.settings.shared_preload_libraries"
_RUN_BY_THE_KERNEL = re.compile(
    r"sysctl\.(kernel\.(core_pattern|modprobe|hotplug|poweroff_cmd|usermodehelper)|fs\.binfmt_misc)"
)
"""Settings that name a program which the kernel runs as root: not the source's to choose."""
_MORE_THAN_A_VALUE = re.compile(r"[;{}#'\"$`\\*?\[\]]")
"""Characters with a meaning in nginx's, the shell's and sysctl's files."""
# $1: the value. Where the file lies differs by distribution; one may be a link to the other.
_LOCALE = 'for f in /etc/locale.conf /etc/default/locale; do [ ! -e "$f" ] || break; done; echo "LANG=$1" >"$f"'
_UPGRADE = text(__file__, "upgrade.sh")


@step(needs=["web_configured", "dependencies_installed", "database_created", "source_surveyed"], gives=["build_finished"],
      harmless=True)  # fmt: skip
def finish_build(plan: Plan, run: Run, target: Host, target_db: Database) -> None:
    """Give the target production's locale, settings and names, and install pending security updates."""
    if ask(target, updates.PENDING):
        run_unit(target, run, "finish_build-upgrade", _UPGRADE, 1800)
    listed = run.records(Survey).facts
    found = likeness.answers(likeness.read(target, target_db, likeness.Subject.of(plan)), listed)
    wanted = to_carry(plan, listed, found)
    log.info("carrying over: %s", ", ".join(wanted) or "nothing")
    if "os.locale" in wanted:
        target.check(["sh", "-c", _LOCALE, "locale", wanted["os.locale"]])
    _database(plan, target, target_db, part(wanted, "postgresql.settings."))
    if web := part(wanted, "nginx."):
        _web(target, nginx_lines(web))
    if kernel := part(wanted, "sysctl."):
        target.write_file(SYSCTL, "".join(f"{name} = {value}\n" for name, value in kernel.items()))
        target.check(["sysctl", "--ignore", "--quiet", f"--load={SYSCTL}"])
    if names := part(wanted, "hosts."):
        target.edit_block("/etc/hosts", HOSTS, [f"{address} {name}" for name, address in names.items()])


def to_carry(plan: Plan, listed: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Facts that the target must be given: production's, or what a deviation of the plan expects instead.

    What nobody can give it from here (a package, another server's version, a library that the server must load) is left
    for the gate to name, and so is what the source may not decide: a program that the kernel runs as root, and a text that
    would mean more than a value in the file that it is written to.
    """
    expected = {}
    for key, value in listed.items():
        other = likeness.deviation(plan, key)
        expected[key] = other.expected if other else value
    given = ("os.locale", "postgresql.settings.", "nginx.", "sysctl.", "hosts.")
    differing = {key for key, value in expected.items() if value != found.get(key)}
    # Our file is written anew: with the differing ones alone it would lose those that an earlier attempt put there.
    whole = tuple(kind for kind in ("sysctl.", "hosts.") if any(key.startswith(kind) for key in differing))
    return {
        key: value
        for key, value in expected.items()
        if (key in differing or key.startswith(whole))
        and key.startswith(given)
        and key != _LIBRARIES
        and value != "none"
        and _harmless(key, value)
    }


def _harmless(key: str, value: str) -> bool:
    """Whether the source may decide this of the target."""
    quoted = key.startswith("postgresql.settings.")  # by a statement, as a literal
    plain = f"{key}{value}".isprintable() and not _MORE_THAN_A_VALUE.search(f"{key}{value}")
    return quoted or (plain and not _RUN_BY_THE_KERNEL.match(key))


def part(facts: Mapping[str, str], beginning: str) -> dict[str, str]:
    """The facts of one kind, their common beginning taken off."""
    return {key.removeprefix(beginning): value for key, value in facts.items() if key.startswith(beginning)}


def nginx_lines(directives: Mapping[str, str]) -> str:
    """A file of nginx's http block that says what production's http block says."""
    return "".join(f"{name} {value};\n" for name, value in directives.items() if value != likeness.UNSET)


def set_statement(name: str, value: str) -> sql.Composed:
    """The statement that makes a server's setting last."""
    if value == likeness.UNSET:
        return sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name))
    return sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))


def _web(target: Host, lines: str) -> None:
    target.write_file(NGINX, lines)
    try:
        target.check(["nginx", "-t", "-q"])
    except StepFailed:
        # As where the image's own nginx.conf says one of them already: a server must be able to start again.
        target.check(["rm", "-f", "--", NGINX])
        raise
    target.check(["systemctl", "reload-or-restart", "nginx.service"])


def _database(plan: Plan, target: Host, target_db: Database, settings: Mapping[str, str]) -> None:
    if not settings:
        return
    statements: Sequence[sql.Composed] = [set_statement(name, value) for name, value in settings.items()]
    for statement in statements:
        target_db.execute(statement, dbname="postgres")
    target.check(["systemctl", "reload", server_unit(plan)])
    if target_db.value("SELECT count(*) FROM pg_settings WHERE pending_restart", dbname="postgres"):
        target_db.close()
        target.check(["systemctl", "restart", server_unit(plan)], timeout=120)
