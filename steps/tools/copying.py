"""Host to host: the source pushes to the target with a key that lives as long as the copy and can do one thing."""

import logging
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fixtures.connect.host import Host
from fixtures.errors import GonogoError, Refused, StepFailed
from fixtures.facts import copies, mounts
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.policy.ingress import SSH
from fixtures.run.places import COPY_BLOCK, COPY_KEYS, MEMORY
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from fixtures.scripts import script, text
from steps.tools import packages
from steps.tools.units import run_unit, unit_name

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two lines about a copy that goes on."""
# $1 a directory; the free bytes of its file system, the last word that is printed.
_FREE = 'df --block-size=1 --output=avail -- "$1"'
_MAKE_KEY = script(__file__, "make_key.sh")
_ALONE = ("unshare", "--mount", "--propagation", "private")
CONFINED = (*_ALONE, *script(__file__, "confined.sh"))
"""Put before a directory, the application's home and a command: it writes nothing but that directory."""
_SCRIPTS = {"confined": text(__file__, "confined.sh"), "receive": text(__file__, "receive.sh")}
_PUBLIC_KEY = re.compile(r"ssh-[a-z0-9-]+ [A-Za-z0-9+/]+={0,3}(?: [ -~]*)?")


def key_directory(run: Run, purpose: str) -> str:
    """The directory on the source that holds the key of one copy."""
    return f"{COPY_KEYS}/{run.name}/{purpose}"


def known_hosts(address: str, host_keys: Sequence[str]) -> str:
    """Lines for the known_hosts file that lets the key talk to the target and to nobody else."""
    return "".join(f"{address} {key}\n" for key in host_keys)


def authorized_line(public_key: str, addresses: Sequence[str], command: Sequence[str]) -> str:
    """The line of authorized_keys: from these addresses, this one command, and nothing else.

    `command` is run by the login user; the text the client sent is in its environment as SSH_ORIGINAL_COMMAND. Raises
    `StepFailed` for what is no public key: another line would let in whom it names, without any limit.
    """
    if not _PUBLIC_KEY.fullmatch(public_key.strip()):
        raise StepFailed(
            "the public key of a copy",
            expected="one line that holds a key, from the source",
            found=public_key[:200],
            remedy="nothing was let in; find out on the source what answers there in the place of ssh-keygen",
        )
    quoted = shlex.join(command).replace('"', '\\"')
    return f'restrict,from="{",".join(addresses)}",command="{quoted}" {public_key.strip()}'


def ssh_command(directory: str, user: str, address: str) -> list[str]:
    """The ssh command, destination last, that uses the copy's key and only it."""
    options = {
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "UserKnownHostsFile": f"{directory}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", "-T", "-i", f"{directory}/key", *flags, f"{user}@{address}"]


def copying_addresses(plan: Plan) -> list[str]:
    """The addresses from which the plan lets copies come; raises `Refused` when it lists none."""
    addresses = sorted({str(rule.source.network_address) for rule in plan.target.copying if rule.port == SSH})
    if not addresses:
        raise Refused(
            "target.copying in the plan",
            expected=f"a rule for port {SSH} that lets the source push its data",
            found="none",
            remedy='add { port = 22, source = "<the source\'s address>/32", purpose = "copying" }',
        )
    return addresses


@contextmanager
def channel(
    open_source: Host, target: Host, plan: Plan, run: Run, *, purpose: str, forced_command: Sequence[str]
) -> Iterator[list[str]]:
    """Let the source run one command on the target for as long as the block lasts.

    Gives the ssh command to use on the source, its destination as the last word; whatever command it is given, the
    target runs `forced_command`, as its login user. The key and its line in authorized_keys are taken away again, also
    those that a process which died left behind under the same purpose.
    """
    facts = run.records(TargetFacts)
    directory, marker = key_directory(run, purpose), f"{COPY_BLOCK} {run.name} {purpose}"
    authorized = authorized_keys(target, plan)
    addresses = copying_addresses(plan)
    try:
        public_key = open_source.check(
            [*_MAKE_KEY, directory, f"gonogo {run.name} {purpose}", str(COPY_KEYS)],
            stdin=known_hosts(facts.public_address, facts.host_keys).encode(),
        )
        target.edit_block(authorized, marker, [authorized_line(public_key, addresses, forced_command)])
        yield ssh_command(directory, plan.target.user, facts.public_address)
    finally:
        target.remove_block(authorized, marker)
        open_source.check(["sh", "-c", 'rm -rf -- "$1"; rmdir -p -- "${1%/*}" 2>/dev/null || :', "rm", directory])


def authorized_keys(target: Host, plan: Plan) -> str:
    """The path of the login user's authorized_keys on the target."""
    return f"{target.check(['getent', 'passwd', plan.target.user]).split(':')[5]}/{copies.AUTHORIZED}"


def remove_temporary_keys(open_source: Host, target: Host, plan: Plan) -> None:
    """Take away whatever a copy that died left behind: keys on the source, their lines on the target."""
    for marker in ask(target, copies.blocks_left(plan)):
        target.remove_block(authorized_keys(target, plan), marker)
    open_source.check(["rm", "-rf", "--", str(COPY_KEYS)])


def script_path(name: str) -> str:
    """Where one of our scripts lies on the target while it receives: a line of authorized_keys cannot hold one."""
    return f"{MEMORY}/{name}.sh"


def rsync_server(target_dir: str, home: str) -> list[str]:
    """The forced command of a push: rsync's receiving end, as root, inside one directory (see confined.sh, receive.sh)."""
    words = ["sudo", "-n", *_ALONE, "bash", script_path("confined"), target_dir, home, "bash", script_path("receive")]
    return ["sh", "-c", f'exec {shlex.join(words)} "$SSH_ORIGINAL_COMMAND"']


def rsync_command(
    ssh: Sequence[str], source_dir: str, *, delete: bool = False, max_delete: int = 0, dry_run: bool = False
) -> list[str]:
    """The rsync command on the source. Owners go by name, and by number where the target has no such name.

    Devices, fifos and sockets stay behind, as do extended attributes that are not users' own: the target takes none.
    """
    deletion = ["--delete-delay", *([] if dry_run else [f"--max-delete={max_delete}"])] if delete else []
    return [
        "rsync", "-rlptgoHAXS", "--filter=-x! user.*", "--timeout=120", "--rsh", shlex.join(ssh[:-1]), *deletion,
        *(["--dry-run", "--itemize-changes"] if dry_run else []),
        "--", f"{source_dir.rstrip('/')}/", f"{ssh[-1]}:/",
    ]  # fmt: skip


def rsync_script(command: Sequence[str]) -> str:
    """The script of the unit that pushes: with low priority, and without failing when a file vanished under way."""
    # 24: a file was deleted on the living source between being listed and being read.
    return f"nice -n 10 ionice -c 2 -n 7 {shlex.join(command)}\ncode=$?\n[ $code = 24 ] && exit 0\nexit $code\n"


def deletions(itemized: str) -> list[str]:
    """The paths that rsync would delete, from what a dry run printed."""
    return [line.split(maxsplit=1)[1] for line in itemized.splitlines() if line.startswith("*deleting")]


def rsync_push(
    open_source: Host,
    target: Host,
    plan: Plan,
    run: Run,
    *,
    purpose: str,
    source_dir: str,
    target_dir: str,
    delete: bool = False,
    max_delete: int = 0,
    timeout: float = 6 * 3600,
) -> None:
    """Make `target_dir` on the target hold what `source_dir` on the source holds; owners by name, modes, ACLs, links.

    What would give somebody root stays behind: see `fixtures/sameness/manifest.py`.

    It runs as a unit on the source, and one that still runs there is waited for. `delete` also takes away what the
    source no longer has. `timeout` in seconds. Raises
    `Refused` before anything is changed when the source directory is absent or empty, or when more than `max_delete`
    paths would go; `StepFailed` when rsync fails.
    """
    refuse_empty(open_source, source_dir)
    have_rsync(open_source, target, run)
    target.check(["mkdir", "-p", "--", target_dir])
    target.check(["install", "-d", "-m", "0711", str(MEMORY)])
    for name, content in _SCRIPTS.items():
        target.write_file(script_path(name), content, mode="0500")
    server = rsync_server(target_dir, str(plan.application.place))
    with channel(open_source, target, plan, run, purpose=purpose, forced_command=server) as ssh:
        if open_source.unit_result(unit_name(run, purpose)).state == "running":
            open_source.wait_unit(unit_name(run, purpose), timeout)
        if delete:
            rehearsed = rsync_command(ssh, source_dir, delete=True, dry_run=True)
            _refuse_many(deletions(open_source.check(rehearsed, timeout=timeout)), max_delete, target_dir)
        command = rsync_command(ssh, source_dir, delete=delete, max_delete=max_delete)
        arriving = Arriving(target, target_dir, source_dir)
        run_unit(open_source, run, purpose, rsync_script(command), timeout, arriving)


class Arriving:
    """Says every few seconds how fast a copy's target fills, and how much room is left there; called while the copy is waited for."""

    def __init__(self, target: Host, directory: str, what: str) -> None:
        self._target, self._directory, self._what = target, directory, what
        self._begun = self._said = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self) -> None:
        """Say it where it is time."""
        if time.monotonic() - self._said < EVERY:
            return
        self._said = time.monotonic()
        try:
            free = int(self._target.check(["sh", "-c", _FREE, "free", self._directory], timeout=EVERY).split()[-1])
        except (GonogoError, ValueError, IndexError) as error:
            log.info("copying %s: the target does not say how much room it has left: %s", self._what, error)
            return
        since, before = self._first = self._first or (self._said, free)
        arrived = max(0, before - free) / 1e6
        log.info(
            "copying %s for %.0f s: %.0f MB more on the target's disk, %.1f MB/s; %.0f MB are free there",
            self._what, self._said - self._begun, arrived, arrived / max(self._said - since, 1), free / 1e6,
        )  # fmt: skip


def refuse_empty(source: Host, directory: str) -> None:
    """Raise `Refused` when there is nothing to copy: an absent, unmounted or empty directory would empty the target's."""
    if not source.file(directory).is_directory:
        found = "no such directory"
    elif unmounted := _unmounted(source, directory):
        found = f"{unmounted[0]} is not mounted, though {mounts.PATH} lists it"
    elif not source.check(["find", directory, "-mindepth", "1", "-print", "-quit"]).strip():
        found = "an empty directory"
    else:
        return
    raise Refused(
        f"{directory} on the source",
        expected="a directory with something in it",
        found=found,
        remedy="mount it on the source, or correct the directory in the plan's [[files]]; nothing was changed",
    )


def _unmounted(source: Host, directory: str) -> list[str]:
    # Asked one by one: fstab may name a mount point by a link, which mountpoint follows.
    points = mounts.at_boot(ask(source, mounts.FSTAB), directory)
    return [point for point in points if point != "/" and not source.succeeds(["mountpoint", "-q", point])]


def _refuse_many(paths: Sequence[str], most: int, target_dir: str) -> None:
    if len(paths) <= most:
        return
    raise Refused(
        f"{target_dir} on the target",
        expected=f"at most {most} paths that production no longer has",
        found=f"{len(paths)}, {paths[0]} among them",
        remedy="see that the directory on the source is complete; if it is, raise max_delete in the plan's [[files]]",
    )


def have_rsync(open_source: Host, target: Host, run: Run) -> None:
    """Have rsync on the target; raises `Refused` where production has none, which is not ours to install."""
    if not open_source.succeeds(["sh", "-c", "command -v rsync"]):
        raise Refused(
            "rsync on the source",
            expected="installed: the source pushes its files",
            found="no such command",
            remedy="install the package rsync on production, then run the same command again",
        )
    if not target.succeeds(["sh", "-c", "command -v rsync"]):
        packages.install(target, run, "copying", ["rsync"])
