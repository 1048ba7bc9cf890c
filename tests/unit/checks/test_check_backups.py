"""The checks of the backups, each seen red."""

import json
from datetime import timedelta

import pytest

from checks import check_backups
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import backups as facts
from fixtures.facts.backups import Manifest
from fixtures.facts.fact import ask, ask_all
from fixtures.run.evidence import now
from fixtures.run.records import Opening, RestoreTest, TableCopy
from fixtures.run.run import Run
from steps.keep import backups
from tests.unit import buckets
from tests.unit.buckets import with_
from tests.unit.example import PLAN

bucket = buckets.bucket
cloud = buckets.cloud
plan = buckets.plan


def manifest(name="20260101T000000Z", **changes):
    begun = now()
    said = {
        "name": name, "begun": begun.isoformat(), "finished": begun.isoformat(), "job": "j", "database": "payroll_prod",
        "database_bytes": 10**7, "identifier": "7001", "tables": {"public.a": {"rows": 1, "digest": "1 2"}},
        "files": {"entries": 1, "bytes": 1}, "objects": {"database.dump": {"bytes": 4, "sha256": "x"}},
    }  # fmt: skip
    return {**said, **changes}


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_a_bucket_that_was_changed_is_seen(plan, cloud):
    backups.ready_bucket(plan, cloud)
    s3 = cloud.s3
    s3.delete_public_access_block(Bucket=plan.backup.bucket)
    with pytest.raises(NoGo, match="BlockPublicAcls"):
        check_backups.check_bucket_is_closed_to_the_public(plan, True, ask(cloud, facts.public_access_blocks(plan)))
    s3.delete_bucket_lifecycle(Bucket=plan.backup.bucket)
    with pytest.raises(NoGo, match="no rule"):
        check_backups.check_bucket_forgets_old_backups(plan, True, ask(cloud, facts.lifecycle(plan)))
    with pytest.raises(NoGo, match="aws:kms"):
        check_backups.check_bucket_encrypts(
            with_(plan, backup={"encryption": "aws:kms"}), True, ask(cloud, facts.encryption(plan))
        )


def test_a_bucket_that_is_not_there_proves_nothing(plan, cloud):
    there = ask(cloud, facts.exists(plan))
    with pytest.raises(CouldNotVerify, match="absent"):
        check_backups.check_bucket_is_ours(plan, there, ask(cloud, facts.tags(plan)))
    with pytest.raises(CouldNotVerify, match="absent"):
        check_backups.check_newest_backup_is_recent(plan, there, ask(cloud, facts.newest(plan)))


def test_a_backup_without_manifest_is_none(plan, cloud, bucket):
    s3 = cloud.s3
    bucket.put("20260101T000000Z/database.dump", b"dump")
    assert bucket.newest() is None
    assert ask(cloud, facts.newest(plan)) is None
    with pytest.raises(CouldNotVerify, match="a whole backup"):
        check_backups.check_newest_backup_is_whole_and_encrypted(plan, True, None, {})
    bucket.put("20260101T000000Z/manifest.json", json.dumps(manifest()).encode())
    bucket.put("20260102T000000Z/database.dump", b"dump")
    assert bucket.newest() == "20260101T000000Z"
    newest = ask(cloud, facts.newest(plan))
    assert newest.name == "20260101T000000Z"
    check = check_backups.check_newest_backup_is_whole_and_encrypted
    check(plan, True, newest, ask_all(cloud, facts.parts(plan, newest)))
    s3.delete_object(Bucket=plan.backup.bucket, Key="backups/20260101T000000Z/database.dump")
    with pytest.raises(NoGo, match=r"database\.dump: -1 bytes"):
        check(plan, True, newest, ask_all(cloud, facts.parts(plan, newest)))


# --- the checks, red --------------------------------------------------------------------------------------------------


def test_an_old_backup():
    check_backups.check_newest_backup_is_recent(PLAN, True, Manifest.model_validate(manifest()))
    old = (now() - timedelta(hours=27)).isoformat()
    with pytest.raises(NoGo, match=r"27\.0 hours"):
        check_backups.check_newest_backup_is_recent(PLAN, True, Manifest.model_validate(manifest(begun=old)))


@pytest.mark.parametrize(
    ("changes", "other"),
    [
        ({"identifier": "7002"}, {}),
        ({"database": "other"}, {}),
        ({}, {"tables": ["public.a", "public.b"]}),
        ({}, {"size": 10**10}),
    ],
)
def test_a_backup_of_something_else(changes, other):
    check = check_backups.check_newest_backup_is_of_this_database
    there = {"cluster": "7001", "tables": ["public.a"], "size": 9 * 10**6}
    check(PLAN, True, Manifest.model_validate(manifest()), **there)
    with pytest.raises(NoGo, match="the backup 20260101"):
        check(PLAN, True, Manifest.model_validate(manifest(**changes)), **there | other)


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
    check_backups.check_restore_covered_everything(PLAN, run, ["public.a"])
    check_backups.check_restore_left_nothing([])
    with pytest.raises(NoGo, match=r"public\.b"):
        check_backups.check_restore_covered_everything(PLAN, run, ["public.a", "public.b"])
    with pytest.raises(NoGo, match="gonogo_restore_test_x"):
        check_backups.check_restore_left_nothing(["gonogo_restore_test_x"])
    run.record(restored(differences=["public.a: absent"]))
    with pytest.raises(NoGo, match=r"public\.a: absent"):
        check_backups.check_restored_backup_was_what_was_backed_up(run)


def test_a_job_that_was_changed_since(run):
    newest = Manifest.model_validate(manifest())
    check_backups.check_backups_are_still_made_that_way(PLAN, run, True, newest, "j")
    with pytest.raises(NoGo, match=r"k\.\.\. installed"):
        check_backups.check_backups_are_still_made_that_way(PLAN, run, True, newest, "k")


def test_a_timer_that_is_off_and_a_backup_that_failed():
    good = {"Persistent": "yes", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
    check_backups.check_backups_are_scheduled(PLAN, good, ["*-*-* 02:30:00"])
    for shown, time in ((good | {"ActiveState": "inactive"}, "02:30"), (good, "03:30")):
        with pytest.raises(NoGo, match=r"gonogo-backup\.timer"):
            check_backups.check_backups_are_scheduled(PLAN, shown, [f"*-*-* {time}:00"])
    check_backups.check_last_backup_succeeded({"LoadState": "loaded", "Result": "success"})
    with pytest.raises(NoGo, match="exit-code"):
        check_backups.check_last_backup_succeeded({"LoadState": "loaded", "Result": "exit-code"})


def test_production_must_be_backed_up_after_the_opening(run):
    newest = Manifest.model_validate(manifest())
    run.record(Opening(instance_id="i-1", recorded=now() - timedelta(hours=1)))
    check_backups.check_production_was_backed_up_after_the_move(PLAN, run, True, newest)
    run.record(Opening(instance_id="i-1", recorded=now() + timedelta(hours=1)))
    with pytest.raises(NoGo, match="begun after the target opened"):
        check_backups.check_production_was_backed_up_after_the_move(PLAN, run, True, newest)
