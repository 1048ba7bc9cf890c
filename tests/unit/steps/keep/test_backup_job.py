"""The job that runs on the target: what it streams, what it archives, and what it drops."""

import hashlib
import io
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.facts.backups import SCRATCH
from steps.keep import backup_job as job
from tests.unit import buckets

bucket = buckets.bucket
cloud = buckets.cloud
plan = buckets.plan


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_what_a_failing_command_printed_is_no_object(plan, cloud, bucket):
    command = [sys.executable, "-c", "print('half a dump'); raise SystemExit(3)"]
    with pytest.raises(job.Failure, match="ended with 3"):
        bucket.stream("x/database.dump", command, 0)
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=plan.backup.bucket)


def test_a_stream_of_several_parts_arrives(plan, cloud, bucket):
    size = 20 * 1024 * 1024
    facts = bucket.stream("x/files.tar.gz", [sys.executable, "-c", f"print(end='x' * {size})"], 0)
    assert facts == {"bytes": size, "sha256": hashlib.sha256(b"x" * size).hexdigest()}
    head = cloud.s3.head_object(Bucket=plan.backup.bucket, Key="backups/x/files.tar.gz")
    assert (head["ContentLength"], head["ServerSideEncryption"]) == (size, "AES256")


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def uploads(tmp_path):
    place = tmp_path / "uploads"
    (place / "a").mkdir(parents=True)
    (place / "a/one").write_text("one")
    (place / "two").write_text("two")
    (place / "link").symlink_to("two")
    return place


def archive(place):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(place, arcname=str(place).lstrip("/"))
    return io.BytesIO(made.getvalue())


def test_an_archive_of_the_files_has_them(uploads):
    entries, moments = job.listing([str(uploads)])
    assert len(entries) == 5
    assert job.unchanged(entries, moments) == entries
    assert job.compare_archive(archive(uploads), entries) == []


def test_an_archive_that_differs_is_told(uploads):
    entries, _ = job.listing([str(uploads)])
    (uploads / "two").write_text("TWO")
    (uploads / "a/one").unlink()
    told = job.compare_archive(archive(uploads), entries)
    assert told == [f"{uploads}/a/one: not in the archive", f"{uploads}/two: another entry in the archive"]


def test_what_users_changed_meanwhile_is_not_claimed(uploads):
    entries, moments = job.listing([str(uploads)])
    (uploads / "two").write_text("another")
    (uploads / "a/one").unlink()
    assert {Path(name).name for name in job.unchanged(entries, moments)} == {"uploads", "a", "link"}


# --- the units --------------------------------------------------------------------------------------------------------


def test_only_databases_of_restore_tests_are_dropped():
    asked = []
    admin = SimpleNamespace(ask=asked.append)
    for name in ("payroll_prod", "postgres", "gonogo_restore_test_", "gonogo_restore_test_mine", "x; DROP"):
        job._drop(admin, name, SCRATCH)
    assert asked == []
    job._drop(admin, "gonogo_restore_test_20260101t000000z", SCRATCH)
    assert asked == ["DROP DATABASE gonogo_restore_test_20260101t000000z WITH (FORCE);"]
