"""The target's upload directories hold what production's held when they were copied."""

import pytest

from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import files
from fixtures.facts.fact import ask
from fixtures.facts.wanted import on_target
from fixtures.plan import Upload
from fixtures.policy.verdict import Say
from fixtures.run.journal import TargetOpened
from fixtures.run.records import FilesCopy
from fixtures.run.run import Run
from fixtures.sameness.listing import list_directory, scratch
from fixtures.sameness.manifest import compare, kept_manifest, read_manifest

AGAIN = "copy again: `gonogo run` (before the target opened; afterwards see `gonogo back-out`)"


@pytest.mark.files_copied
def check_files_match(upload: Upload, run: Run, target: Host, say: Say) -> None:
    """Every uploaded file is there with production's content, owner, group and mode: each one is read and hashed anew.

    Once production is closed, `check_uploads_equal_closed_production` claims more, and quicker.
    """
    path = str(upload.path)
    kept = kept_manifest(run.directory, run.records(FilesCopy).manifests.get(path, "of no directory"))
    with scratch(run.directory) as into:
        found = read_manifest(list_directory(target, path, into, say), into, say=say)
        differing = compare(kept, found, whole=False)
    if differing:
        raise NoGo(
            f"{path} on the target",
            expected=f"the {kept.entries} entries that were copied",
            found=differing,
            remedy=AGAIN,
        )


@pytest.mark.files_copied
@pytest.mark.final_files_copied
def check_file_counts_match(upload: Upload, run: Run, source: Host, target: Host) -> None:
    """No uploaded file is missing: at least as many files as were copied, and at least as many bytes."""
    host = source if run.happened(TargetOpened) else target
    expected = run.records(FilesCopy).counts.get(str(upload.path))
    path = str(upload.path)
    found = ask(host, files.count(path)) if ask(host, files.status(path)) else None
    enough = expected and found and found.files >= expected.files and found.bytes >= expected.bytes
    if not enough:
        raise NoGo(
            f"files in {upload.path} on {host.name}",
            expected=f"{expected.files} files, {expected.bytes} bytes" if expected else "a directory that was copied",
            found=f"{found.files} files, {found.bytes} bytes" if found else "no such directory",
            remedy=AGAIN,
        )


@pytest.mark.files_copied
@pytest.mark.final_files_copied
def check_no_uploads_by_strangers(
    upload: Upload, path: str = on_target(lambda upload: files.nameless(str(upload.path)))
) -> None:
    """Every file belongs to a user and a group that the target knows by name."""
    if path:
        raise NoGo(
            f"owners in {upload.path} on the target",
            expected="users and groups of the target",
            found=f"a number without a name at {path}",
            remedy="create that user or group on the target, then copy again: `gonogo run`",
        )
