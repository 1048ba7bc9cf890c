"""The users' files: pushed from the source, and proven by a manifest of both sides."""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.plan import Plan, Upload
from fixtures.run.records import FilesCopy, Survey
from fixtures.run.run import Run
from fixtures.sameness.listing import Listing, list_directory, scratch
from fixtures.sameness.manifest import (
    Made,
    Manifest,
    at_once,
    keep_manifest,
    kept_manifest,
    left_behind,
    read_manifest,
)
from steps.step import step
from steps.tools.copying import refuse_empty, rsync_push

log = logging.getLogger(__name__)


@step(
    needs=["release_copied", "target_quarantined"],
    gives=["files_copied"],
    only_with="files",
    destroys="files in the target's upload directories that production no longer has",
    writes_to_source="a key for this copy alone, kept in memory, and the units that send the files",
)
def copy_uploads(plan: Plan, run: Run, open_source: Host, source: Host, target: Host) -> None:
    """Push the users' files from production to the target."""
    _copy(plan, run, open_source, source, target, final=False)


@step(
    needs=["source_closed", "target_stopped"],
    gives=["final_files_copied"],
    only_with="files",
    destroys="files in the target's upload directories that closed production no longer has",
    writes_to_source="a key for this copy alone, kept in memory, and the units that send the files",
)
def copy_uploads_again(plan: Plan, run: Run, open_source: Host, source: Host, target: Host) -> None:
    """Push what changed among the users' files since the rehearsal."""
    _copy(plan, run, open_source, source, target, final=True)


def _copy(plan: Plan, run: Run, open_source: Host, source: Host, target: Host, *, final: bool) -> None:
    begun = time.monotonic()
    for upload in plan.files:
        refuse_vanished(source, run.records(Survey), str(upload.path))
    copying = _Copying(plan, run, open_source, source, target, final)
    copied = {str(upload.path): copying.push(upload) for upload in plan.files}
    run.record(
        FilesCopy(
            final=final,
            manifests={path: here.sha256 for path, (here, _) in copied.items()},
            arrived={path: there.sha256 for path, (_, there) in copied.items()},
            counts={path: here.count for path, (here, _) in copied.items()},
            unclaimed={path: here.moved for path, (here, _) in copied.items()},
            left_behind=copying.left_behind,
            seconds=round(time.monotonic() - begun, 3),
        )
    )


@dataclass(frozen=True)
class _Copying:
    """The copy of upload directories, and the manifests of both sides."""

    plan: Plan
    run: Run
    open_source: Host
    source: Host
    target: Host
    final: bool
    left_behind: dict[str, str] = field(default_factory=dict)
    """Directory -> what its copy does not take along, in words."""

    def push(self, upload: Upload) -> tuple[Made, Made]:
        """Push one directory; the manifests of what the source held all the while, and of what the target holds.

        The rehearsal hashes every file of both sides. The final copy, for which users wait, takes over the hashes of the
        rehearsal and hashes what changed since.
        """
        path = str(upload.path)
        with scratch(self.run.directory) as into:
            before = list_directory(self.source, path, into, log.info)
            if left := left_behind(before):
                self.left_behind[path] = left
                log.info(
                    "%s: left behind on purpose: %s. What the target needs of it is for you to make there", path, left
                )
            rsync_push(
                self.open_source,
                self.target,
                self.plan,
                self.run,
                purpose=f"copy_uploads-{'-'.join(upload.path.parts[1:])}",
                source_dir=path,
                target_dir=path,
                delete=True,
                max_delete=upload.max_delete,
            )
            here, there = at_once([lambda: self._source(before, path, into), lambda: self._target(path, into)])
            if self.final and here.moved:
                raise StepFailed(
                    f"{path} on closed production",
                    expected="no change: production is closed",
                    found=f"{here.moved} entries changed while they were copied: {here.names}",
                    remedy=f"`lsof +D {path}` on the source names what still writes there; stop it, and run the same command again",
                )
            for manifest in (here, there):
                keep_manifest(self.run.directory, manifest)
        return here, there

    def _source(self, before: Listing, path: str, into: Path) -> Made:
        # On the living source users go on: what they changed since the push began is not claimed.
        earlier = self._earlier(path, "manifests")
        return read_manifest(before, into, earlier=earlier, repeat=True, living=not self.final, say=log.info)

    def _target(self, path: str, into: Path) -> Made:
        listing = list_directory(self.target, path, into, log.info)
        return read_manifest(listing, into, earlier=self._earlier(path, "arrived"), say=log.info)

    def _earlier(self, path: str, side: Literal["manifests", "arrived"]) -> Manifest | None:
        if not self.final or not self.run.has(FilesCopy):
            return None
        try:
            return kept_manifest(self.run.directory, getattr(self.run.records(FilesCopy), side).get(path, "none"))
        except CouldNotVerify as error:
            log.info("every file is hashed anew: %s: %s", error.subject, error.found)
            return None


def refuse_vanished(source: Host, survey: Survey, path: str) -> None:
    """Raise `Refused` when an upload directory is empty, absent, not mounted, or holds less than half of what it did."""
    refuse_empty(source, path)
    surveyed = survey.files[path].files if path in survey.files else 0
    present = int(source.check(["sh", "-c", 'find "$1" -type f -printf x | wc -c', "count", path], timeout=600))
    if present * 2 < surveyed:
        raise Refused(
            f"{path} on the source",
            expected=f"about the {surveyed} files that were surveyed",
            found=f"{present} files",
            remedy="see what became of the others; if that is right, `gonogo back-out`, then survey again with `gonogo run --new`",
        )
