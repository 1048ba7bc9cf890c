"""The application's user, code, configuration and secrets, as production has them."""

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.release import left_out
from fixtures.plan import Plan
from fixtures.run.places import HELD
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.step import step

_CHUNK = 1 << 16
_USER = script(__file__, "create_user.sh")


@step(needs=["target_quarantined", "source_surveyed"], gives=["release_copied"], harmless=True)
def copy_release(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Copy the application's user, its code, its settings and secrets, and its units; cron files are held."""
    target.check([*_USER, *_account(source, plan.application.user)])
    release = run.records(Survey).release
    patterns = [*left_out(plan, release), *_other_releases(source, release, plan)]
    trees = [plan.application.home]
    files = [plan.application.environment_file, *plan.application.also_copy]
    stream(source, target, pack_command([*trees, *files], patterns), unpack_command("/"))
    if plan.application.cron:
        target.check(["install", "-d", "-m", "0700", str(HELD)])
        stream(source, target, pack_command(plan.application.cron, []), unpack_command(str(HELD)))
    target.check(["systemctl", "daemon-reload"])


def pack_command(paths: Sequence[PurePosixPath], patterns: Sequence[str]) -> list[str]:
    """The command that writes paths, owners and modes to its output; links stay links."""
    excluded = [f"--exclude={pattern}" for pattern in patterns]
    return ["tar", "-C", "/", "-cz", *excluded, "--", *(str(path).lstrip("/") for path in paths)]


def unpack_command(directory: str) -> list[str]:
    """The command that puts them below a directory; directories that are there keep their owner and mode."""
    return ["tar", "-C", directory, "-xzp", "--same-owner", "--no-overwrite-dir"]


def stream(source: Host, target: Host, reader: Sequence[str], writer: Sequence[str]) -> None:
    """Pass what `reader` prints on the source to `writer` on the target; neither touches this machine's disk.

    Raises `StepFailed` with what the failed command printed.
    """
    outward, inward = source.shell.channel(reader), target.shell.channel(writer)
    try:
        while chunk := outward.recv(_CHUNK):
            inward.sendall(chunk)
        inward.shutdown_write()
        for host, command, channel in ((source, reader, outward), (target, writer, inward)):
            printed = channel.makefile_stderr().read().decode(errors="replace").strip()
            if (code := channel.recv_exit_status()) != 0:
                raise StepFailed(
                    f"`{shlex.join(command)}` on the {host.name}",
                    expected="exit code 0",
                    found=f"exit code {code}: {printed[-1000:]}",
                    remedy="mend the cause and run the same command again, which copies anew",
                )
    except OSError as error:
        raise StepFailed(
            "copying the release",
            expected="both connections to hold",
            found=str(error) or type(error).__name__,
            remedy="run the same command again, which copies anew",
        ) from None
    finally:
        outward.close()
        inward.close()


def _account(source: Host, user: str) -> list[str]:
    """Name, uid, group, gid, home, shell of the user on the source, and the further groups."""
    answer = source.check(["sh", "-c", 'getent passwd "$1" && id -gn "$1" && id -Gn "$1"', "account", user])
    account, group, groups = answer.splitlines()
    name, _, uid, gid, _, home, shell = account.split(":")
    return [name, uid, group, gid, home, shell, *(other for other in groups.split() if other != group)]


def _other_releases(source: Host, release: str, plan: Plan) -> list[str]:
    """Releases beside the current one: the target does not need them."""
    parent = PurePosixPath(release).parent
    if parent == plan.application.home or not parent.is_relative_to(plan.application.home):
        return []
    beside = source.check(["find", str(parent), "-mindepth", "1", "-maxdepth", "1"]).splitlines()
    return [path.lstrip("/") for path in beside if path != release]
