"""What was copied after production closed is what closed production still holds."""

from datetime import UTC, datetime
from functools import partial

import pytest

from checks.check_data import AGAIN, recorded
from checks.equality import must_be_none
from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.files import newest
from fixtures.facts.wanted import in_source_db, on_source
from fixtures.plan import Upload
from fixtures.policy.verdict import Say
from fixtures.run.journal import TargetOpened
from fixtures.run.records import DataCopy, FilesCopy, RedisCopy, SourceClosure, Standstill, TableCopy
from fixtures.run.run import Run
from fixtures.sameness.differences import differences
from fixtures.sameness.listing import list_directory, scratch
from fixtures.sameness.manifest import Manifest, at_once, compare, kept_manifest, read_manifest
from fixtures.sameness.proofs import Rows, rows_of, sequences
from fixtures.sameness.tables import LARGE_OBJECTS


def made_after_closing(subject: str, copied: DataCopy | FilesCopy | RedisCopy, run: Run) -> None:
    """Assert that a copy is a final one, made after the run closed production."""
    closed = run.records(SourceClosure).closed
    if not copied.final or copied.recorded <= closed:
        raise NoGo(
            subject,
            expected=f"made after production closed at {closed:%H:%M:%S} UTC",
            found=f"{'a final' if copied.final else 'a rehearsal'} copy of {copied.recorded:%Y-%m-%d %H:%M:%S} UTC",
            remedy=AGAIN,
        )


def _held(table: str, rows: Rows | None) -> TableCopy:
    if rows is None:
        raise CouldNotVerify(
            f"{table} on production",
            expected="a table",
            found="no such table",
            remedy="see which checks of the schema are red (checks/check_schema.py): they name what is missing",
        )
    return rows.copy


@pytest.mark.final_data_copied
def check_data_was_copied_after_closing(run: Run, copied: DataCopy) -> None:
    """The last copy of the database was made after production had closed."""
    made_after_closing("the copy of the database", copied, run)


@pytest.mark.final_data_copied
def check_production_still_equals_the_copy(
    table: str, copied: DataCopy, rows: Rows | None = in_source_db(lambda plan, run, table: rows_of(plan, run, table))
) -> None:
    """Closed production still holds, row by row, what was copied: nobody wrote behind the fence."""
    found, expected = _held(table, rows), recorded(table, copied)
    if found != expected:
        raise NoGo(
            f"{table} on closed production",
            expected=f"as copied: {expected.rows} rows, digest {expected.digest[:16]}",
            found=f"{found.rows} rows, digest {found.digest[:16]}",
            remedy="find who wrote there (pg_stat_activity, the server's log), then copy again: `gonogo run`",
        )


@pytest.mark.final_data_copied
def check_production_sequences_still_equal_the_copy(
    copied: DataCopy,
    found: dict[str, tuple[int, bool]] = in_source_db(sequences),
    objects: Rows | None = in_source_db(lambda plan, run: rows_of(plan, run, LARGE_OBJECTS)),
) -> None:
    """Closed production's sequences and large objects still stand as they were copied."""
    changed = differences(copied.sequences, found)
    if _held(LARGE_OBJECTS, objects).digest != copied.large_objects_digest:
        changed = f"{changed} large objects differ".strip()
    if changed:
        raise NoGo(
            "sequences and large objects of closed production", expected="as copied", found=changed, remedy=AGAIN
        )


@pytest.mark.final_files_copied
def check_files_were_copied_after_closing(upload: Upload, run: Run) -> None:
    """The last copy of the files was made after production had closed."""
    made_after_closing(f"the copy of {upload.path}", run.records(FilesCopy), run)


@pytest.mark.final_files_copied
@pytest.mark.accepted
def check_uploads_stand_still(
    upload: Upload, run: Run, found: tuple[str, str] = on_source(lambda upload: newest(str(upload.path)))
) -> None:
    """Nothing in a directory of uploads was written, renamed or removed on production since it had been closed."""
    before, (moment, path) = run.records(Standstill), found
    expected = before.uploads.get(str(upload.path), "not known")
    if moment != expected:
        raise NoGo(
            f"the newest change in {upload.path} on production",
            expected=f"{_moment(expected)}, as when it had been closed",
            found=f"{_moment(moment)}, of {path}",
            remedy="find who writes there (lsof, fuser, cron jobs) and stop it, then copy again: `gonogo run`; a waiver of this "
            "check says who looked",
        )


def _moment(seconds: str) -> str:
    return (
        f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d %H:%M:%S.%f} UTC" if seconds[:1].isdigit() else seconds
    )


@pytest.mark.final_files_copied
def check_uploads_equal_closed_production(upload: Upload, run: Run, source: Host, target: Host, say: Say) -> None:
    """Closed production's files and the target's are the same, none missing and none more.

    Both are listed anew. A file is hashed again when anything that writing changes (inode, size, mtime, ctime) is not as it
    was when it was last hashed, in the rehearsal or at the final copy. What a disk corrupts by itself is not seen here: the
    rehearsal's `check_files_match` reads every file.
    """
    path, copy = str(upload.path), run.records(FilesCopy)
    kept = kept_manifest(run.directory, copy.manifests.get(path, "of no directory"))
    with scratch(run.directory) as into:

        def unlike(host: Host, earlier: Manifest) -> str:
            listing = list_directory(host, path, into, say)
            now = read_manifest(listing, into, earlier=earlier, say=say)
            return compare(kept, now, whole=True, copied=host is target)

        sides = [(source, kept)]
        # Once users write on the target, only closed production stands still.
        if not run.happened(TargetOpened):
            sides.append((target, kept_manifest(run.directory, copy.arrived.get(path, "of no directory"))))
        differing = at_once([partial(unlike, host, earlier) for host, earlier in sides])
    found = [f"{host.name}: {lines}" for (host, _), lines in zip(sides, differing, strict=True) if lines]
    must_be_none(path, expected=f"the {kept.entries} entries that were copied", found=found, remedy=AGAIN)
