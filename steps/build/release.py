"""The application's user, code, configuration and secrets, as production has them."""

import logging
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import PurePosixPath
from typing import IO, Any, cast

from fixtures.connect.deadline import within
from fixtures.connect.host import Host
from fixtures.connect.shell import exit_status
from fixtures.errors import Refused, StepFailed
from fixtures.facts.fact import ask
from fixtures.facts.release import left_out, packaged
from fixtures.plan import Plan
from fixtures.plan.software import is_shared
from fixtures.run.places import HELD
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.step import step
from steps.tools import packages
from steps.tools.archive import BrokenArchive, passed_on
from steps.tools.copying import CONFINED

log = logging.getLogger(__name__)

_ROOT = PurePosixPath("/")
_CHUNK = 1 << 16
SILENCE = 120.0
"""Seconds for which a copy between the hosts may stand still."""
LIMIT = 2 * 3600.0
"""Seconds that it may take."""
_USER = script(__file__, "create_user.sh")
# $1 directory, $2 mode, $3 owner, $4 group. tar would leave the directory that it begins in as it is.
_DIRECTORY = '[ -d "$1" ] || { mkdir -p -- "$(dirname -- "$1")" && install -d -m "$2" -o "$3" -g "$4" -- "$1"; }'
_SINGLE = 1000
"""Files of a packaged release that are copied one by one."""
_MOST = 6
"""Names that are told of what was left behind; the rest is counted."""
_POWERFUL = {"root", "disk", "kmem", "shadow"}
"""Groups of every system that give root to whoever is in them."""


@step(needs=["target_quarantined", "source_surveyed"], gives=["release_copied"], harmless=True)
def copy_release(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Copy the application's user, its code, its settings and secrets, and its units; cron files are held."""
    target.check([*_USER, *_account(source, plan.application.user)])
    survey = run.records(Survey)
    patterns = [*left_out(plan, survey.release), *_other_releases(source, survey.release, plan)]
    bring = _Bringing(source, target, plan.application.place)
    if plan.application.home:
        bring.directory(plan.application.home, patterns)
    if not _is_in_home(plan, survey.release):
        _bring_release(plan, run, target, bring, patterns)
    bring.files([*plan.application.environment_files, *plan.application.also_copy], patterns)
    if plan.application.cron:
        target.check(["install", "-d", "-m", "0700", str(HELD)])
        bring.files(plan.application.cron, [], HELD)
    target.check(["systemctl", "daemon-reload"])


def bring_directory(plan: Plan, source: Host, target: Host, directory: PurePosixPath) -> None:
    """Bring one directory of production's as it is."""
    _Bringing(source, target, plan.application.place).directory(directory, [])


def _is_in_home(plan: Plan, release: str) -> bool:
    home = plan.application.home
    return home is not None and PurePosixPath(release).is_relative_to(home)


def _bring_release(plan: Plan, run: Run, target: Host, bring: "_Bringing", patterns: Sequence[str]) -> None:
    """The release that lies elsewhere than in the home: from its packages where some brought it, else as it lies on production.

    What lies beside the packages' own files in such a release is copied file by file. Raises `Refused` for a directory that is
    no application's own.
    """
    survey, current = run.records(Survey), plan.application.current
    release = PurePosixPath(survey.release)
    if is_shared(release):
        raise Refused(
            f"{current} on production, which leads to {release}",
            expected="a directory of the application's own",
            found="one that belongs to the whole system",
            remedy="name the release in application.current; nothing was changed",
        )
    if not survey.release_packages:
        bring.directory(release, patterns)
    else:
        packages.install(target, run, "release", survey.release_packages)
        own = ask(bring.source, packaged(plan)).own
        if len(own) > _SINGLE:
            raise Refused(
                f"{release} on production, of {', '.join(survey.release_packages)}",
                expected=f"at most {_SINGLE} files that no package brought",
                found=f"{len(own)} of them",
                remedy="name directories of user files in [[files]], so that they go their own way",
            )
        bring.files([PurePosixPath(path) for path in own], patterns)
    if release != current:
        bring.files([current], patterns)
        bring.whole.append(current)


@dataclass(frozen=True)
class _Bringing:
    """What is brought from the source: each directory by itself, so that nothing beside it can be written."""

    source: Host
    target: Host
    application: PurePosixPath
    whole: list[PurePosixPath] = field(default_factory=list)
    """Directories that were brought as a whole."""

    def directory(self, path: PurePosixPath, patterns: Sequence[str]) -> None:
        """A directory of the application's own, as production's, but for what the patterns leave out."""
        mode, owner, group = self.source.check(["stat", "-L", "-c", "%a %U %G", "--", str(path)]).split()
        self.target.check(["sh", "-c", _DIRECTORY, "directory", str(path), mode, owner, group])
        self._stream([path], patterns, below=path, into=path)
        self.whole.append(path)

    def files(self, paths: Iterable[PurePosixPath], patterns: Sequence[str], into: PurePosixPath = _ROOT) -> None:
        """Single files, below a directory of the target; those in directories that came as a whole are there."""
        beside = {path for path in paths if not any(path.is_relative_to(one) for one in self.whole)}
        for parent, group in groupby(sorted(beside, key=lambda path: (path.parent, path)), lambda path: path.parent):
            directory = into / parent.relative_to(_ROOT)
            self.target.check(["mkdir", "-p", "--", str(directory)])
            self._stream(list(group), patterns, below=parent, into=directory)

    def _stream(
        self, paths: Sequence[PurePosixPath], patterns: Sequence[str], *, below: PurePosixPath, into: PurePosixPath
    ) -> None:
        reader, writer = pack_command(paths, patterns), [*CONFINED, str(into), str(self.application), *UNPACK]
        left = stream(self.source, self.target, reader, writer, below, paths)
        if left:
            more = f" and {len(left) - _MOST} more" if len(left) > _MOST else ""
            log.info(
                "left behind on purpose, nobody gets root by what was copied: %s%s. If the application needs it, make it"
                " by hand on the target", ", ".join(left[:_MOST]), more,
            )  # fmt: skip


def pack_command(paths: Sequence[PurePosixPath], patterns: Sequence[str]) -> list[str]:
    """The command that writes paths, owners and modes to its output; links stay links."""
    excluded = [f"--exclude={pattern}" for pattern in patterns]
    return ["tar", "-C", "/", "-cz", *excluded, "--", *(str(path).lstrip("/") for path in paths)]


UNPACK = ("tar", "-xzp", "--same-owner", "--no-overwrite-dir")
"""The command that unpacks them where it is begun; directories that are there keep their owner and mode."""


def stream(
    source: Host,
    target: Host,
    reader: Sequence[str],
    writer: Sequence[str],
    below: PurePosixPath,
    asked: Sequence[PurePosixPath],
) -> list[str]:
    """Pass the archive that `reader` prints on the source to `writer` on the target, through `passed_on`: what it left out.

    Neither touches this machine's disk. Raises `StepFailed` with what the failed command printed.
    """
    outward, inward = source.shell.channel(reader), target.shell.channel(writer)
    for channel in (outward, inward):
        channel.settimeout(SILENCE)

    def break_off() -> None:
        outward.close()
        inward.close()

    with within(LIMIT, break_off) as limit:
        try:
            members = [path.relative_to(_ROOT) for path in asked]
            archive = cast("IO[bytes]", outward.makefile("rb", _CHUNK))
            try:
                left = passed_on(archive, cast("IO[bytes]", _Onward(inward)), below.relative_to(_ROOT), members)
            except BrokenArchive:
                if not archive.read(1):
                    _refuse_failed(source, reader, outward)  # what it printed tells more
                raise
            inward.shutdown_write()
            _refuse_failed(source, reader, outward)
            _refuse_failed(target, writer, inward)
            return left
        except (OSError, StepFailed) as error:
            if isinstance(error, StepFailed) and not limit.passed:
                raise
            late = f"no end within {LIMIT:g} seconds" if limit.passed else ""
            silent = f"nothing for {SILENCE:g} seconds" if isinstance(error, TimeoutError) else ""
            raise StepFailed(
                "copying the release",
                expected="both hosts to go on, to the end",
                found=late or silent or str(error) or type(error).__name__,
                remedy="see that both hosts are up, then run the same command again, which copies anew",
            ) from None
        finally:
            break_off()


def _refuse_failed(host: Host, command: Sequence[str], channel: Any) -> None:
    """Wait for a command's end; raise `StepFailed` with what it printed when it failed."""
    printed = channel.makefile_stderr().read().decode(errors="replace").strip()
    if (code := exit_status(channel, SILENCE)) != 0:
        raise StepFailed(
            f"`{shlex.join(command)}` on the {host.name}",
            expected="exit code 0",
            found=f"exit code {code}: {printed[-1000:]}",
            remedy="mend the cause and run the same command again, which copies anew",
        )


class _Onward:
    """A channel to write to; the file that paramiko makes of one would hold back what is not a whole buffer."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def write(self, data: bytes) -> int:
        self._channel.sendall(data)
        return len(data)

    def flush(self) -> None:
        pass


def _account(source: Host, user: str) -> list[str]:
    """Name, uid, group, gid, home, shell of the user on the source, and the further groups.

    Raises `Refused` where the target would get a user who is as good as root.
    """
    answer = source.check(["sh", "-c", 'getent passwd "$1" && id -gn "$1" && id -Gn "$1"', "account", user])
    account, group, groups = answer.splitlines()
    _, _, uid, gid, _, home, shell = account.split(":")
    if powerful := sorted(_POWERFUL.intersection([group, *groups.split()])):
        raise Refused(
            f"the user {user} on production",
            expected="groups that give nobody root",
            found=f"in {', '.join(powerful)}",
            remedy=f"take it out there (gpasswd -d {user} {powerful[0]}), or name another application.user; nothing was changed",
        )
    return [user, uid, group, gid, home, shell, *(other for other in groups.split() if other != group)]


def _other_releases(source: Host, release: str, plan: Plan) -> list[str]:
    """Releases beside the current one: the target does not need them."""
    parent = PurePosixPath(release).parent
    if parent == plan.application.home or not _is_in_home(plan, str(parent)):
        return []
    beside = source.check(["find", str(parent), "-mindepth", "1", "-maxdepth", "1"]).splitlines()
    return [path.lstrip("/") for path in beside if path != release]
