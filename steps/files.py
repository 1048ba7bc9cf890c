"""The users' files: pushed from the source, and proven by a manifest of both sides."""

import time

from fixtures.cloud import Cloud
from fixtures.errors import Refused, StepFailed
from fixtures.evidence import FilesCopy, Survey
from fixtures.host import Host
from fixtures.plan import Plan, Upload
from fixtures.run import Run
from fixtures.sameness.differences import differences
from fixtures.sameness.manifest import Manifest, keep_manifest, read_manifest
from steps import guards
from steps.copying import refuse_empty, rsync_push
from steps.step import step


@step(
    needs=["release_copied", "target_quarantined"],
    gives=["files_copied"],
    destroys="files in the target's upload directories that production no longer has",
)
def copy_uploads(plan: Plan, run: Run, cloud: Cloud, open_source: Host, source: Host, target: Host) -> None:
    """Push the users' files from production to the target."""
    _copy(plan, run, cloud, open_source, source, target, final=False)


@step(
    needs=["source_closed", "target_stopped"],
    gives=["final_files_copied"],
    destroys="files in the target's upload directories that closed production no longer has",
)
def copy_uploads_again(plan: Plan, run: Run, cloud: Cloud, open_source: Host, source: Host, target: Host) -> None:
    """Push what changed among the users' files since the rehearsal."""
    _copy(plan, run, cloud, open_source, source, target, final=True)


def _copy(
    plan: Plan, run: Run, cloud: Cloud, open_source: Host, source: Host, target: Host, *, final: bool
) -> None:  # fmt: skip
    guards.prove_target(target, run, plan, cloud)
    guards.refuse_after_opening(run, target)
    begun = time.monotonic()
    for upload in plan.files:
        refuse_vanished(source, run.records(Survey), str(upload.path))
    copied = {str(upload.path): _one(plan, run, open_source, source, target, upload, final) for upload in plan.files}
    for manifest in copied.values():
        keep_manifest(run.directory, manifest)
    run.record(
        FilesCopy(
            final=final,
            manifests={path: manifest.sha256 for path, manifest in copied.items()},
            counts={path: manifest.count for path, manifest in copied.items()},
            seconds=round(time.monotonic() - begun, 3),
        )
    )


def _one(
    plan: Plan, run: Run, open_source: Host, source: Host, target: Host, upload: Upload, final: bool
) -> Manifest:  # fmt: skip
    """Push one directory; the manifest of what was there before the push and is there, unchanged, after it."""
    path = str(upload.path)
    before = read_manifest(source, path)
    rsync_push(
        open_source,
        target,
        plan,
        run,
        purpose=f"copy_uploads-{'-'.join(upload.path.parts[1:])}",
        source_dir=path,
        target_dir=path,
        delete=True,
        max_delete=upload.max_delete,
    )
    after = read_manifest(source, path)
    if final and before != after:
        raise StepFailed(
            f"{path} on closed production",
            expected="no change: production is closed",
            found=differences(before, after),
            remedy="find who still writes there (lsof +D), stop it, and run the same command again",
        )
    # On the living source users go on: what they changed meanwhile is not claimed.
    return Manifest({name: facts for name, facts in before.items() if after.get(name) == facts})


def refuse_vanished(source: Host, survey: Survey, path: str) -> None:
    """Raise `Refused` when an upload directory is empty, absent, not mounted, or holds less than half of what it did."""
    refuse_empty(source, path)
    for point in mount_points(source.read_file("/etc/fstab"), path):
        if not source.succeeds(["mountpoint", "-q", point]):
            raise Refused(
                f"{path} on the source",
                expected=f"{point} mounted, as /etc/fstab says",
                found="not mounted",
                remedy=f"mount {point} on production; nothing was changed",
            )
    surveyed = survey.files[path].files if path in survey.files else 0
    present = int(source.check(["sh", "-c", 'find "$1" -type f -printf x | wc -c', "count", path], timeout=600))
    if present * 2 < surveyed:
        raise Refused(
            f"{path} on the source",
            expected=f"about the {surveyed} files that were surveyed",
            found=f"{present} files",
            remedy="see what became of them; if this is right, survey again with `gonogo run --new`",
        )


def mount_points(fstab: str, path: str) -> list[str]:
    """The mount points of an fstab, `/` aside, that `path` lies on or below and that are mounted at boot."""
    lines = [line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#")]
    points = [fields[1].rstrip("/") for fields in lines if len(fields) > 3 and "noauto" not in fields[3].split(",")]
    return [point for point in points if point and f"{path}/".startswith(f"{point}/")]
