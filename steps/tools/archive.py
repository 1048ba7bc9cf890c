"""An archive on its way from one host to the other: only what was asked for passes, and nothing that gives anybody root.

It is written anew on the way, so that what the receiving tar reads is what was looked at here.
"""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any

from fixtures.errors import StepFailed

SET_ID = 0o6000
"""setuid and setgid: on a file they give whoever runs it somebody else's rights. On a directory they give nobody any."""
_CHUNK = 1 << 16


class BrokenArchive(StepFailed):
    """The archive did not come to its end, or is none."""


@dataclass
class _Passing:
    """The members of one archive, looked at one after the other."""

    below: PurePosixPath
    asked: Sequence[PurePosixPath]
    directories: set[PurePosixPath] = field(default_factory=set)
    files: set[PurePosixPath] = field(default_factory=set)
    others: set[PurePosixPath] = field(default_factory=set)
    left: list[str] = field(default_factory=list)

    def member(self, found: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """The member as it may be unpacked, None for one that is left out; raises `StepFailed` for one that nobody asked for."""
        path = PurePosixPath(found.name)
        if path in self.directories | self.files | self.others:
            raise _refused(found.name, "it comes twice")
        self._refuse_stranger(path)
        member = tarfile.TarInfo(str(path.relative_to(self.below)))
        member.mode, member.mtime = found.mode & 0o7777, int(found.mtime)
        member.uid, member.gid, member.uname, member.gname = found.uid, found.gid, found.uname, found.gname
        if found.isdir():
            member.type = tarfile.DIRTYPE
            self.directories.add(path)
        elif found.issym():
            member.type, member.linkname = tarfile.SYMTYPE, found.linkname
            self.others.add(path)
        elif found.islnk():
            first = PurePosixPath(found.linkname)
            if first not in self.files:
                raise _refused(found.name, f"a second name of {found.linkname}, which did not come before it as a file")
            member.type, member.linkname = tarfile.LNKTYPE, str(first.relative_to(self.below))
            self.files.add(path)
        elif found.isreg():
            member.size = found.size
            self.files.add(path)
            if member.mode & SET_ID:
                member.mode &= ~SET_ID
                self.left.append(f"setuid or setgid of /{path}")
        else:
            self.left.append(f"/{path}, a device or fifo")
            return None
        return member

    def _refuse_stranger(self, path: PurePosixPath) -> None:
        roots = [one for one in self.asked if path == one or one in path.parents]
        if path.is_absolute() or ".." in path.parts or not roots:
            raise _refused(str(path), "nobody asked for it")
        # A link in a directory's place would lead what follows to wherever it points.
        within = [parent for parent in path.parents if parent == roots[0] or roots[0] in parent.parents]
        if not self.directories.issuperset(within):
            raise _refused(str(path), "its directory did not come before it as a directory")


def passed_on(archive: IO[bytes], onward: IO[bytes], below: PurePosixPath, asked: Sequence[PurePosixPath]) -> list[str]:
    """Pass a compressed archive on: what was left out of it, in words.

    `asked` are the members that were asked for, with what lies below them; `below` is taken off their names. Raises
    `BrokenArchive` where it cannot be read, `StepFailed` where it holds what was not asked for; what came before has been
    passed on.
    """
    passing = _Passing(below, asked)
    try:
        with (
            tarfile.open(fileobj=archive, mode="r|gz", errors="surrogateescape") as reading,
            gzip.GzipFile(fileobj=onward, mode="wb", compresslevel=6) as packed,
            tarfile.open(
                fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
            ) as writing,
        ):
            for found in reading:
                member = passing.member(found)
                if member is not None:
                    content: Any = reading.extractfile(found) if member.type == tarfile.REGTYPE else None
                    writing.addfile(member, content)
                reading.members, writing.members = [], []  # type: ignore[attr-defined]  # they would keep every one
            while archive.read(_CHUNK):  # what tar fills its last block with
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(str(error) or type(error).__name__) from None
    return passing.left


def _refused(member: str, why: str) -> StepFailed:
    return StepFailed(
        f"the archive that the source sends: {member}",
        expected="what was asked for, each once, in its own directory",
        found=why,
        remedy="nothing of this member was unpacked; find out on the source what answers there in the place of tar",
    )


def _broken(found: str) -> BrokenArchive:
    return BrokenArchive(
        "the archive that the source sends",
        expected="an archive to its end",
        found=found,
        remedy="run the same command again, which copies anew",
    )
