"""Backups: the job that runs on the target, the bucket, the units, and the checks seen red."""

import hashlib
import io
import json
import sys
import tarfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from checks import check_backups
from fixtures.connect.cloud import Cloud
from fixtures.errors import NoGo, Refused
from fixtures.facts.backups import Manifest, Store
from fixtures.plan import load_plan
from fixtures.run.evidence import now
from fixtures.run.records import Opening, RestoreTest, TableCopy
from fixtures.run.run import Run
from steps.keep import backup_job as job
from steps.keep import backups

EXAMPLE = load_plan(Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml")
ACCOUNT = "123456789012"


def with_(plan, **changes):
    return plan.model_copy(update={name: getattr(plan, name).model_copy(update=new) for name, new in changes.items()})


@pytest.fixture
def plan(endpoint, request, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    bucket = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    return with_(
        EXAMPLE, target={"endpoint": endpoint, "account": ACCOUNT}, backup={"bucket": bucket, "endpoint": endpoint}
    )


@pytest.fixture
def cloud(plan):
    return Cloud(plan)


@pytest.fixture
def bucket(plan, cloud):
    backups.ready_bucket(plan, cloud)
    return job.Bucket(json.loads(backups.configuration(plan)))


def manifest(name="20260101T000000Z", **changes):
    begun = now()
    facts = {
        "name": name, "begun": begun.isoformat(), "finished": begun.isoformat(), "job": "j", "database": "payroll_prod",
        "database_bytes": 10**7, "identifier": "7001", "tables": {"public.a": {"rows": 1, "digest": "1 2"}},
        "files": {"entries": 1, "bytes": 1}, "objects": {"database.dump": {"bytes": 4, "sha256": "x"}},
    }  # fmt: skip
    return {**facts, **changes}


# --- the bucket ---------------------------------------------------------------------------------------------------------


def test_a_bucket_is_made_ready_twice(plan, cloud):
    for _ in range(2):
        backups.ready_bucket(plan, cloud)
    store = Store(cloud, plan)
    check_backups.check_bucket_is_ours(store, plan)
    check_backups.check_bucket_is_closed_to_the_public(store)
    check_backups.check_bucket_encrypts(store, plan)
    check_backups.check_bucket_forgets_old_backups(store, plan)


def test_a_bucket_of_somebody_else_is_refused_and_left_alone(plan, cloud):
    store = Store(cloud, plan)
    store.s3.create_bucket(Bucket=store.name, CreateBucketConfiguration={"LocationConstraint": plan.target.region})
    store.s3.put_object(Bucket=store.name, Key="theirs", Body=b"")
    with pytest.raises(Refused, match="somebody else's"):
        backups.ready_bucket(plan, cloud)
    assert store.tags() == {}
    assert store.lifecycle() == []
    with pytest.raises(NoGo, match="gonogo:plan"):
        check_backups.check_bucket_is_ours(store, plan)


def test_an_empty_untagged_bucket_is_taken_up(plan, cloud):
    store = Store(cloud, plan)
    store.s3.create_bucket(Bucket=store.name, CreateBucketConfiguration={"LocationConstraint": plan.target.region})
    backups.ready_bucket(plan, cloud)
    assert store.is_ours(plan)


def test_a_bucket_that_was_changed_is_seen(plan, cloud):
    backups.ready_bucket(plan, cloud)
    store = Store(cloud, plan)
    store.s3.delete_public_access_block(Bucket=store.name)
    with pytest.raises(NoGo, match="BlockPublicAcls"):
        check_backups.check_bucket_is_closed_to_the_public(store)
    store.s3.delete_bucket_lifecycle(Bucket=store.name)
    with pytest.raises(NoGo, match="no rule"):
        check_backups.check_bucket_forgets_old_backups(store, plan)
    with pytest.raises(NoGo, match="aws:kms"):
        check_backups.check_bucket_encrypts(store, with_(plan, backup={"encryption": "aws:kms"}))


def test_a_backup_without_manifest_is_none(plan, cloud, bucket):
    store = Store(cloud, plan)
    bucket.put("20260101T000000Z/database.dump", b"dump")
    assert bucket.newest() is None
    assert store.newest() is None
    bucket.put("20260101T000000Z/manifest.json", json.dumps(manifest()).encode())
    bucket.put("20260102T000000Z/database.dump", b"dump")
    assert bucket.newest() == "20260101T000000Z"
    newest = store.newest()
    assert newest.name == "20260101T000000Z"
    check_backups.check_newest_backup_is_whole_and_encrypted(newest, store, plan)
    store.s3.delete_object(Bucket=store.name, Key="backups/20260101T000000Z/database.dump")
    with pytest.raises(NoGo, match=r"database\.dump: -1 bytes"):
        check_backups.check_newest_backup_is_whole_and_encrypted(newest, store, plan)


def test_what_a_failing_command_printed_is_no_object(plan, cloud, bucket):
    command = [sys.executable, "-c", "print('half a dump'); raise SystemExit(3)"]
    with pytest.raises(job.Failure, match="ended with 3"):
        bucket.stream("x/database.dump", command, 0)
    assert "Contents" not in Store(cloud, plan).s3.list_objects_v2(Bucket=plan.backup.bucket)


def test_a_stream_of_several_parts_arrives(plan, cloud, bucket):
    size = 20 * 1024 * 1024
    facts = bucket.stream("x/files.tar.gz", [sys.executable, "-c", f"print(end='x' * {size})"], 0)
    assert facts == {"bytes": size, "sha256": hashlib.sha256(b"x" * size).hexdigest()}
    head = Store(cloud, plan).s3.head_object(Bucket=plan.backup.bucket, Key="backups/x/files.tar.gz")
    assert (head["ContentLength"], head["ServerSideEncryption"]) == (size, "AES256")


# --- files --------------------------------------------------------------------------------------------------------------


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


# --- the units ----------------------------------------------------------------------------------------------------------


def test_only_databases_of_restore_tests_are_dropped():
    asked = []
    admin = SimpleNamespace(ask=asked.append)
    for name in ("payroll_prod", "postgres", "gonogo_restore_test_", "gonogo_restore_test_mine", "x; DROP"):
        job._drop(admin, name)
    assert asked == []
    job._drop(admin, "gonogo_restore_test_20260101t000000z")
    assert asked == ["DROP DATABASE gonogo_restore_test_20260101t000000z WITH (FORCE);"]


def test_the_service_reads_everything_and_writes_nothing():
    text = backups.service(EXAMPLE)
    for line in ("User=postgres", "AmbientCapabilities=CAP_DAC_READ_SEARCH", "ProtectSystem=strict", "Type=oneshot",
                 "RequiresMountsFor=/mnt",
                 "ExecStart=/usr/bin/python3 /usr/local/lib/gonogo/backup.py backup /etc/gonogo-backup.json"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_the_timer_makes_up_for_what_was_missed():
    assert "\nOnCalendar=*-*-* 02:30:00\nPersistent=true\n" in backups.timer(EXAMPLE)


def test_the_configuration_holds_no_secret():
    told = json.loads(backups.configuration(EXAMPLE))
    assert set(told) == {
        "account", "region", "bucket", "prefix", "endpoint", "encryption", "kms_key", "database", "port", "directories",
        "settings", "tables", "large_objects",
    }  # fmt: skip
    assert told["directories"] == ["/home/payroll/shared/uploads"]


# --- the checks, red ----------------------------------------------------------------------------------------------------


def test_an_old_backup():
    check_backups.check_newest_backup_is_recent(Manifest.model_validate(manifest()), EXAMPLE)
    old = (now() - timedelta(hours=27)).isoformat()
    with pytest.raises(NoGo, match=r"27\.0 hours"):
        check_backups.check_newest_backup_is_recent(Manifest.model_validate(manifest(begun=old)), EXAMPLE)


class Db:
    def __init__(self, size=9 * 10**6, tables=("public.a",), leftovers=()):
        self.size, self.tables, self.leftovers = size, tables, leftovers

    def identity(self):
        return "7001"

    def value(self, query, *_):
        return self.size

    def rows(self, query, *_, **__):
        return [(name,) for name in (self.leftovers if "datname" in query else self.tables)]


@pytest.mark.parametrize(
    ("changes", "db"),
    [
        ({"identifier": "7002"}, Db()),
        ({"database": "other"}, Db()),
        ({}, Db(tables=("public.a", "public.b"))),
        ({}, Db(size=10**10)),
    ],
)
def test_a_backup_of_something_else(changes, db):
    check_backups.check_newest_backup_is_of_this_database(Manifest.model_validate(manifest()), EXAMPLE, Db())
    with pytest.raises(NoGo, match="the backup 20260101"):
        check_backups.check_newest_backup_is_of_this_database(Manifest.model_validate(manifest(**changes)), EXAMPLE, db)


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    (run.directory / "records").mkdir(parents=True)
    run.record(restored())
    return run


def restored(**changes):
    tested = RestoreTest(
        backup="20260101T000000Z", made=now(), job="j", tested_by="j", tables={"public.a": TableCopy(rows=1, digest="1 2")},
        files=1, differences=[], seconds=1,
    )  # fmt: skip
    return tested.model_copy(update=changes)


def test_a_restore_that_differs_or_missed_something(run):
    check_backups.check_restored_backup_was_what_was_backed_up(run)
    check_backups.check_restore_covered_everything(run, Db())
    check_backups.check_restore_left_nothing(Db())
    with pytest.raises(NoGo, match=r"public\.b"):
        check_backups.check_restore_covered_everything(run, Db(tables=("public.a", "public.b")))
    with pytest.raises(NoGo, match="gonogo_restore_test_x"):
        check_backups.check_restore_left_nothing(Db(leftovers=("gonogo_restore_test_x",)))
    run.record(restored(differences=["public.a: absent"]))
    with pytest.raises(NoGo, match=r"public\.a: absent"):
        check_backups.check_restored_backup_was_what_was_backed_up(run)


class Target:
    def __init__(self, *answers):
        self.answers = list(answers)

    def check(self, argv):
        return self.answers.pop(0)


def test_a_job_that_was_changed_since(run):
    newest = Manifest.model_validate(manifest())
    check_backups.check_backups_are_still_made_that_way(run, Target("j  -\n"), newest)
    with pytest.raises(NoGo, match=r"k\.\.\. installed"):
        check_backups.check_backups_are_still_made_that_way(run, Target("k  -\n"), newest)


def test_a_timer_that_is_off_and_a_backup_that_failed():
    written = "[Timer]\nOnCalendar=*-*-* 02:30:00\n"
    good = "Persistent=yes\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n"
    check_backups.check_backups_are_scheduled(Target(good, written), EXAMPLE)
    for bad in (Target(good.replace("=active", "=inactive"), written), Target(good, written.replace("02:30", "03:30"))):
        with pytest.raises(NoGo, match=r"gonogo-backup\.timer"):
            check_backups.check_backups_are_scheduled(bad, EXAMPLE)
    check_backups.check_last_backup_succeeded(Target("LoadState=loaded\nResult=success\n"))
    with pytest.raises(NoGo, match="exit-code"):
        check_backups.check_last_backup_succeeded(Target("LoadState=loaded\nResult=exit-code\n"))


def test_production_must_be_backed_up_after_the_opening(run):
    newest = Manifest.model_validate(manifest())
    run.record(Opening(instance_id="i-1", recorded=now() - timedelta(hours=1)))
    check_backups.check_production_was_backed_up_after_the_move(run, newest)
    run.record(Opening(instance_id="i-1", recorded=now() + timedelta(hours=1)))
    with pytest.raises(NoGo, match="begun after the target opened"):
        check_backups.check_production_was_backed_up_after_the_move(run, newest)
