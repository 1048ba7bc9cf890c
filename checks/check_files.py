"""The target's upload directories hold what production's held when they were copied."""

from collections.abc import Mapping

import pytest

from checks.check_data import AGAIN
from fixtures.errors import NoGo
from fixtures.facts import files
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_source, on_target
from fixtures.plan import Upload
from fixtures.run.journal import TargetOpened
from fixtures.run.records import FileCount, FilesCopy
from fixtures.run.run import Run
from fixtures.sameness.manifest import Unlike, UnlikeFact


def unlike(upload: Upload, run: Run) -> UnlikeFact:
    """In what an upload directory differs from what was copied of it."""
    path = str(upload.path)
    return UnlikeFact(path, run.records(FilesCopy).manifests.get(path, "of no directory"), run.directory)


@pytest.mark.files_copied
def check_files_match(upload: Upload, found: Unlike = on_target(unlike)) -> None:
    """Every uploaded file is there with production's content, owner, group and mode: each one is read and hashed anew.

    What a copy leaves behind on purpose (see `fixtures/sameness/manifest.py`) is not missed.

    Once production is closed, `check_uploads_equal_closed_production` claims more, and quicker.
    """
    if found.words:
        raise NoGo(
            f"{upload.path} on the target",
            expected=f"the {found.entries} entries that were copied",
            found=found.words,
            remedy=AGAIN,
        )


def _status(upload: Upload, *, asked: bool) -> dict[str, HostFact[files.Status | None]]:
    path = str(upload.path)
    return {path: files.status(path)} if asked else {}


def _count(statuses: Mapping[str, files.Status | None]) -> dict[str, HostFact[FileCount]]:
    return {path: files.count(path) for path, status in statuses.items() if status}


@pytest.mark.files_copied
@pytest.mark.final_files_copied
def check_file_counts_match(
    upload: Upload,
    run: Run,
    source_status: dict[str, files.Status | None] = on_source(
        lambda upload, run: _status(upload, asked=run.happened(TargetOpened))
    ),
    target_status: dict[str, files.Status | None] = on_target(
        lambda upload, run: _status(upload, asked=not run.happened(TargetOpened))
    ),
    source_count: dict[str, FileCount] = on_source(lambda source_status: _count(source_status)),
    target_count: dict[str, FileCount] = on_target(lambda target_status: _count(target_status)),
) -> None:
    """No uploaded file is missing: at least as many files as were copied, and at least as many bytes."""
    name, counted = ("source", source_count) if run.happened(TargetOpened) else ("target", target_count)
    expected, found = run.records(FilesCopy).counts.get(str(upload.path)), counted.get(str(upload.path))
    enough = expected and found and found.files >= expected.files and found.bytes >= expected.bytes
    if not enough:
        raise NoGo(
            f"files in {upload.path} on {name}",
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
