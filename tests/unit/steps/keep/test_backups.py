"""The backups' bucket and units: made ready, scheduled, without a secret."""

import json

import pytest

from checks import check_backups
from fixtures.errors import NoGo, Refused
from fixtures.facts import backups as facts
from fixtures.facts.fact import ask
from steps.keep import backups
from tests.unit import buckets
from tests.unit.example import PLAN

bucket = buckets.bucket
cloud = buckets.cloud
plan = buckets.plan


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_a_bucket_is_made_ready_twice(plan, cloud):
    for _ in range(2):
        backups.ready_bucket(plan, cloud)
    there = ask(cloud, facts.exists(plan))
    check_backups.check_bucket_is_ours(plan, there, ask(cloud, facts.tags(plan)))
    check_backups.check_bucket_is_closed_to_the_public(plan, there, ask(cloud, facts.public_access_blocks(plan)))
    check_backups.check_bucket_encrypts(plan, there, ask(cloud, facts.encryption(plan)))
    check_backups.check_bucket_forgets_old_backups(plan, there, ask(cloud, facts.lifecycle(plan)))


def test_a_bucket_of_somebody_else_is_refused_and_left_alone(plan, cloud):
    cloud.s3.create_bucket(
        Bucket=plan.backup.bucket, CreateBucketConfiguration={"LocationConstraint": plan.target.region}
    )
    cloud.s3.put_object(Bucket=plan.backup.bucket, Key="theirs", Body=b"")
    with pytest.raises(Refused, match="somebody else's"):
        backups.ready_bucket(plan, cloud)
    assert ask(cloud, facts.tags(plan)) == {}
    assert ask(cloud, facts.lifecycle(plan)) == []
    with pytest.raises(NoGo, match="gonogo:plan"):
        check_backups.check_bucket_is_ours(plan, True, ask(cloud, facts.tags(plan)))


def test_an_empty_untagged_bucket_is_taken_up(plan, cloud):
    cloud.s3.create_bucket(
        Bucket=plan.backup.bucket, CreateBucketConfiguration={"LocationConstraint": plan.target.region}
    )
    backups.ready_bucket(plan, cloud)
    check_backups.check_bucket_is_ours(plan, True, ask(cloud, facts.tags(plan)))


# --- the units --------------------------------------------------------------------------------------------------------


def test_the_service_reads_everything_and_writes_nothing():
    text = backups.service(PLAN)
    for line in ("User=postgres", "AmbientCapabilities=CAP_DAC_READ_SEARCH", "ProtectSystem=strict", "Type=oneshot",
                 "RequiresMountsFor=/mnt",
                 "ExecStart=/usr/bin/python3 /usr/local/lib/gonogo/backup.py backup /etc/gonogo-backup.json"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_the_timer_makes_up_for_what_was_missed():
    assert "\nOnCalendar=*-*-* 02:30:00\nPersistent=true\n" in backups.timer(PLAN)


def test_the_configuration_holds_no_secret():
    told = json.loads(backups.configuration(PLAN))
    assert set(told) == {
        "account", "region", "bucket", "prefix", "endpoint", "encryption", "kms_key", "database", "port", "directories",
        "settings", "tables", "large_objects", "manifest", "dump", "scratch",
    }  # fmt: skip
    assert told["directories"] == ["/home/payroll/shared/uploads"]
