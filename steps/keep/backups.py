"""Backups: a bucket of ours, a job on the target and its timer, a first backup, and one that is restored."""

import json
from typing import Any

from fixtures.connect.cloud import PLAN_TAG, Cloud, aws_errors
from fixtures.connect.database import SUPERUSER
from fixtures.connect.host import UNIT_SCRIPTS, Host
from fixtures.errors import Refused, StepFailed
from fixtures.facts.backups import CONFIGURATION, DUMP, JOB, MANIFEST, SCRATCH, UNIT, exists, tags
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.records import RestoreTest
from fixtures.run.run import Run
from fixtures.sameness import pinned, psql
from fixtures.scripts import text, with_arguments
from steps.build.postgresql import server_unit
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit

LIMIT = 12 * 3600.0
"""Seconds that a backup, or the restore of one, may take."""
PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

_PACKAGES = ("python3-boto3",)
_RESULT = f"{UNIT_SCRIPTS}/restore-test.json"
# The end of the service's journal says more than systemctl does.
_RUN = f"systemctl start {UNIT}.service || {{ journalctl -u {UNIT}.service -n 15 -o cat --no-pager; exit 1; }}"
_TEST = text(__file__, "test_restore.sh")


@step(needs=["rehearsed", "target_quarantined"], gives=["backed_up"], harmless=True)
def schedule_backups(plan: Plan, run: Run, target: Host, cloud: Cloud) -> None:
    """Make the bucket ready, have the target back itself up on schedule, and make the first backup at once."""
    if plan.target.instance_profile is None:
        raise Refused(
            "target.instance_profile in the plan",
            expected=f"the IAM instance profile that lets the target write to {plan.backup.bucket}",
            found="none",
            remedy="name one in the plan, then launch another target with `gonogo run --new`: no access key may lie on it",
        )
    ready_bucket(plan, cloud)
    packages.install(target, run, "schedule_backups", _PACKAGES)
    target.check(["install", "-d", "-m", "0755", str(JOB.parent)])
    target.write_file(str(JOB), text(__file__, "backup_job.py"))
    target.write_file(str(CONFIGURATION), configuration(plan))
    target.write_file(f"/etc/systemd/system/{UNIT}.service", service(plan))
    target.write_file(f"/etc/systemd/system/{UNIT}.timer", timer(plan))
    target.check(["systemctl", "daemon-reload"])
    back_up(target, run, "schedule_backups")
    target.check(["systemctl", "enable", "--quiet", "--now", f"{UNIT}.timer"])


@step(needs=["backed_up"], gives=["restore_tested"], harmless=True)
def test_restore(run: Run, target: Host) -> None:
    """Fetch the newest backup as a restore would, restore it beside the living database, and compare."""
    run_unit(target, run, "test_restore", with_arguments(_TEST, SUPERUSER, JOB, CONFIGURATION, _RESULT), LIMIT)
    printed = target.read_file(_RESULT)
    target.check(["rm", "-f", "--", _RESULT])
    result = RestoreTest.model_validate(json.loads(printed.splitlines()[-1]))
    run.record(result)
    if result.differences:
        raise StepFailed(
            f"the backup {result.backup}",
            expected="what was backed up",
            found="; ".join(result.differences),
            remedy=f"read `journalctl -u {UNIT}` on the target; make another backup there with `systemctl start {UNIT}`, then run again",
        )


def back_up(target: Host, run: Run, work: str) -> None:
    """Run the backup's own unit once and wait for it; raises `StepFailed` with its last words."""
    run_unit(target, run, f"{work}-backup", _RUN, LIMIT)


def configuration(plan: Plan) -> str:
    """The configuration of the job on the target; it holds no secret."""
    backup = plan.backup
    return json.dumps(
        {
            "account": plan.target.account,
            "region": plan.target.region,
            "bucket": backup.bucket,
            "prefix": backup.prefix,
            "endpoint": backup.endpoint,
            "encryption": backup.encryption,
            "kms_key": backup.kms_key,
            "database": plan.database.name,
            "port": plan.postgresql.port,
            "manifest": MANIFEST,
            "dump": DUMP,
            "scratch": SCRATCH,
            "directories": [str(upload.path) for upload in plan.files],
            "settings": pinned.PINNED,
            "tables": psql.DIGESTS,
            "large_objects": psql.LARGE_OBJECTS,
        },
        indent=1,
    )


def _described(plan: Plan) -> str:
    """The database in a unit's words, where a percent sign stands for something else."""
    return plan.database.name.replace("%", "%%")


def service(plan: Plan) -> str:
    """The unit that makes one backup: PostgreSQL's superuser, who may read every file and write none."""
    return f"""\
[Unit]
Description=Backup of {_described(plan)} and its files to s3://{plan.backup.bucket}/{plan.backup.prefix}
Wants=network-online.target
After=network-online.target {server_unit(plan)}
RequiresMountsFor={plan.target.volume.mount}

[Service]
Type=oneshot
User={SUPERUSER}
AmbientCapabilities=CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
Nice=10
IOSchedulingClass=idle
TimeoutStartSec=12h
ExecStart=/usr/bin/python3 {JOB} backup {CONFIGURATION}
"""


def timer(plan: Plan) -> str:
    """The unit that makes them on schedule; one that was missed is made up for."""
    return f"""\
[Unit]
Description=Backups of {_described(plan)}

[Timer]
OnCalendar={plan.backup.schedule}
Persistent=true

[Install]
WantedBy=timers.target
"""


def lifecycle(plan: Plan) -> list[dict[str, Any]]:
    """The bucket's rules: old backups go, and so does what an upload that broke off left."""
    return [
        {
            "ID": "gonogo-backups",
            "Filter": {"Prefix": f"{plan.backup.prefix}/"},
            "Status": "Enabled",
            "Expiration": {"Days": plan.backup.keep_days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        }
    ]


def encryption(plan: Plan) -> dict[str, Any]:
    """What the bucket encrypts new objects with."""
    rule: dict[str, str] = {"SSEAlgorithm": plan.backup.encryption}
    if plan.backup.kms_key:
        rule["KMSMasterKeyID"] = plan.backup.kms_key
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}


def ready_bucket(plan: Plan, cloud: Cloud) -> None:
    """Have the plan's bucket as it must be: ours, closed to the public, encrypting, forgetting old backups.

    Raises `Refused` for one that gonogo did not make for this plan; nothing of it is changed then.
    """
    s3, name = cloud.s3, plan.backup.bucket
    ours: Any = {"Bucket": name, "ExpectedBucketOwner": plan.target.account}
    if not ask(cloud, exists(plan)):
        # Only the oldest region takes no location.
        place: Any = (
            {} if plan.target.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": plan.target.region}}
        )  # fmt: skip
        with aws_errors(f"making the bucket {name}"):
            s3.create_bucket(Bucket=name, **place)
    found = ask(cloud, tags(plan))
    # One without tags and content may be what a process that died between two calls left.
    if found.get(PLAN_TAG) != plan.name and (found or _holds_something(cloud, plan)):
        raise Refused(
            f"the bucket {name}",
            expected=f"none yet, or one that gonogo made for {plan.name} (tag {PLAN_TAG})",
            found="somebody else's",
            remedy="give another name in backup.bucket; nothing was changed",
        )
    with aws_errors(f"setting up the bucket {name}"):
        s3.put_bucket_tagging(**ours, Tagging={"TagSet": [{"Key": PLAN_TAG, "Value": plan.name}]})
        closed: Any = dict.fromkeys(PUBLIC_ACCESS, True)
        s3.put_public_access_block(**ours, PublicAccessBlockConfiguration=closed)
        sealed: Any = encryption(plan)
        s3.put_bucket_encryption(**ours, ServerSideEncryptionConfiguration=sealed)
        rules: Any = {"Rules": lifecycle(plan)}
        s3.put_bucket_lifecycle_configuration(**ours, LifecycleConfiguration=rules)


def _holds_something(cloud: Cloud, plan: Plan) -> bool:
    bucket = plan.backup.bucket
    with aws_errors(f"looking into the bucket {bucket}"):
        found = cloud.s3.list_objects_v2(Bucket=bucket, MaxKeys=1, ExpectedBucketOwner=plan.target.account)
    return bool(found.get("KeyCount"))
