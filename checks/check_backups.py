"""The target backs itself up to S3, and a backup can be restored."""

from datetime import timedelta
from typing import Any

import pytest

from checks.equality import in_words, must_be_none, must_equal
from fixtures.connect.cloud import PLAN_TAG
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import backups, catalogue, server, units
from fixtures.facts.backups import DUMP, INSTALLED, SCRATCH, UNIT, Manifest
from fixtures.facts.wanted import in_cloud, in_target_db, on_target
from fixtures.plan import Plan
from fixtures.run.evidence import now
from fixtures.run.records import Opening, RestoreTest
from fixtures.run.run import Run

AGAIN = "run `gonogo run --until backed_up`"
BACK_UP = f"run `systemctl start {UNIT}` on the target, and see `journalctl -u {UNIT}`"
EMPTY = 10 * 1024**2
"""Bytes that PostgreSQL takes for a database without rows."""
SMALLEST = 0.01
"""Share of a database's bytes that its compressed dump has at least."""
_TIMER = ("ActiveState", "UnitFileState", "Persistent", "NeedDaemonReload")


def _bucket(plan: Plan, *, there: bool) -> str:
    """The name of the plan's bucket, which must be there."""
    if not there:
        raise CouldNotVerify(f"the bucket {plan.backup.bucket}", expected="present", found="absent", remedy=AGAIN)
    return plan.backup.bucket


def _whole(newest: Manifest | None, plan: Plan, *, there: bool) -> Manifest:
    """The newest whole backup."""
    bucket = _bucket(plan, there=there)
    if newest is None:
        raise CouldNotVerify(
            f"s3://{bucket}/{plan.backup.prefix}", expected="a whole backup", found="none", remedy=BACK_UP
        )
    return newest


@pytest.mark.backed_up
def check_bucket_is_ours(
    plan: Plan, there: bool = in_cloud(backups.exists), tags: dict[str, str] = in_cloud(backups.tags)
) -> None:
    """The backups lie in a bucket of the plan's account that gonogo made for this plan."""
    bucket = _bucket(plan, there=there)
    must_equal(f"the tag {PLAN_TAG} of {bucket}", expected=plan.name, found=tags.get(PLAN_TAG), remedy=AGAIN)


@pytest.mark.backed_up
def check_bucket_is_closed_to_the_public(
    plan: Plan,
    there: bool = in_cloud(backups.exists),
    blocked: dict[str, bool] = in_cloud(backups.public_access_blocks),
) -> None:
    """Every kind of public access to the bucket is blocked."""
    bucket = _bucket(plan, there=there)
    expected = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    opened = [name for name in expected if not blocked.get(name)]
    if opened:
        raise NoGo(
            f"public access to {bucket}",
            expected="blocked",
            found=f"not blocked: {', '.join(opened)}",
            remedy=AGAIN,
        )


@pytest.mark.backed_up
def check_bucket_encrypts(
    plan: Plan, there: bool = in_cloud(backups.exists), found: tuple[str, str] = in_cloud(backups.encryption)
) -> None:
    """The bucket encrypts what is put into it as the plan says."""
    bucket, expected = _bucket(plan, there=there), (plan.backup.encryption, plan.backup.kms_key or "")
    must_equal(f"the default encryption of {bucket} (algorithm, key)", expected=expected, found=found, remedy=AGAIN)


@pytest.mark.backed_up
def check_bucket_forgets_old_backups(
    plan: Plan, there: bool = in_cloud(backups.exists), rules: list[dict[str, Any]] = in_cloud(backups.lifecycle)
) -> None:
    """The bucket deletes backups after the days that the plan sets."""
    bucket, prefix = _bucket(plan, there=there), f"{plan.backup.prefix}/"
    days = [
        rule.get("Expiration", {}).get("Days")
        for rule in rules
        if rule.get("Status") == "Enabled" and rule.get("Filter", {}).get("Prefix") == prefix
    ]
    if days != [plan.backup.keep_days]:
        raise NoGo(
            f"the lifecycle of {bucket}/{prefix}",
            expected=f"{plan.backup.keep_days} days",
            found=f"{in_words(days)} days" if days else "no rule",
            remedy=AGAIN,
        )


@pytest.mark.backed_up
def check_newest_backup_is_recent(
    plan: Plan,
    there: bool = in_cloud(backups.exists),
    newest: Manifest | None = in_cloud(backups.newest),
) -> None:
    """The newest whole backup is not older than the plan allows."""
    whole = _whole(newest, plan, there=there)
    age = now() - whole.begun
    if age > timedelta(hours=plan.backup.max_age_hours):
        raise NoGo(
            f"the newest backup, {whole.name}",
            expected=f"at most {plan.backup.max_age_hours} hours old",
            found=f"{age.total_seconds() / 3600:.1f} hours",
            remedy=BACK_UP,
        )


@pytest.mark.backed_up
def check_newest_backup_is_whole_and_encrypted(
    plan: Plan,
    there: bool = in_cloud(backups.exists),
    newest: Manifest | None = in_cloud(backups.newest),
    found: dict[str, tuple[int, str]] = in_cloud(lambda newest, plan: backups.parts(plan, newest)),
) -> None:
    """Every part of the newest backup lies in the bucket, as large as its manifest says, and encrypted."""
    whole, method = _whole(newest, plan, there=there), plan.backup.encryption
    wrong = [f"{name}: {found[name][0]} bytes" for name, part in whole.objects.items() if found[name][0] != part.bytes]
    wrong += [f"{name}: encrypted with {how or 'nothing'}" for name, (_, how) in found.items() if how != method]
    must_be_none(
        f"the parts of the backup {whole.name}",
        expected=f"as large as in its manifest, encrypted with {method}",
        found=wrong,
        remedy=BACK_UP,
    )


@pytest.mark.backed_up
def check_newest_backup_is_of_this_database(
    plan: Plan,
    there: bool = in_cloud(backups.exists),
    newest: Manifest | None = in_cloud(backups.newest),
    cluster: str = in_target_db(server.IDENTITY),
    tables: list[str] = in_target_db(catalogue.TABLES),
    size: int = in_target_db(catalogue.SIZE),
) -> None:
    """The newest backup holds this cluster's database with all its tables, and is as large as one would be."""
    whole = _whole(newest, plan, there=there)
    absent = sorted(set(tables) - set(whole.tables))
    least = max(1, int((size - EMPTY) * SMALLEST))
    dumped = whole.objects[DUMP].bytes
    good = (whole.identifier, whole.database) == (cluster, plan.database.name) and not absent and dumped >= least
    if not good:
        raise NoGo(
            f"the backup {whole.name}",
            expected=f"database {plan.database.name} of cluster {cluster}, {len(tables)} tables, {least} bytes at least",
            found=f"database {whole.database} of cluster {whole.identifier}, without {', '.join(absent) or 'none'}, {dumped} bytes",
            remedy=BACK_UP,
        )


@pytest.mark.backed_up
def check_backups_are_scheduled(
    plan: Plan,
    shown: dict[str, str] = on_target(units.shown(f"{UNIT}.timer", *_TIMER)),
    times: list[str] = on_target(units.calendar(f"{UNIT}.timer")),
) -> None:
    """The timer is enabled, runs on the plan's schedule, and makes up for what it missed."""
    expected = (["active", "enabled", "yes", "no"], [plan.backup.schedule])
    found = ([shown.get(name, "") for name in _TIMER], times)
    must_equal(f"{UNIT}.timer on the target ({', '.join(_TIMER)}; times)", expected=expected, found=found, remedy=AGAIN)


@pytest.mark.backed_up
def check_last_backup_succeeded(
    shown: dict[str, str] = on_target(units.shown(f"{UNIT}.service", "LoadState", "Result")),
) -> None:
    """The backup that ran last on the target did not fail."""
    found = (shown.get("LoadState"), shown.get("Result"))
    must_equal(f"{UNIT}.service on the target", expected=("loaded", "success"), found=found, remedy=BACK_UP)


@pytest.mark.restore_tested
def check_restored_backup_was_what_was_backed_up(run: Run) -> None:
    """A backup was restored: every table, large object and file was what was backed up."""
    tested = run.records(RestoreTest)
    if tested.differences:
        raise NoGo(
            f"the restored backup {tested.backup}",
            expected="no difference",
            found="; ".join(tested.differences),
            remedy="run `gonogo run --until restore_tested` again; if it stays so: see the backup's journal on the target",
        )


@pytest.mark.restore_tested
def check_restore_covered_everything(plan: Plan, run: Run, tables: list[str] = in_target_db(catalogue.TABLES)) -> None:
    """The restored backup held every table of the database, and files."""
    tested = run.records(RestoreTest)
    absent = sorted(set(tables) - set(tested.tables))
    if absent or (plan.files and not tested.files):
        raise NoGo(
            f"the restored backup {tested.backup}",
            expected="every table of today, and files",
            found=f"without {', '.join(absent) or 'no table'}; {tested.files} files",
            remedy=f"{BACK_UP}, then run `gonogo run --until restore_tested`",
        )


@pytest.mark.restore_tested
def check_backups_are_still_made_that_way(
    plan: Plan,
    run: Run,
    there: bool = in_cloud(backups.exists),
    newest: Manifest | None = in_cloud(backups.newest),
    installed: str = on_target(INSTALLED),
) -> None:
    """The newest backup was made by the very job whose backup was restored, and that job is what runs next."""
    whole, tested = _whole(newest, plan, there=there), run.records(RestoreTest)
    if not (tested.job == installed == whole.job):
        raise NoGo(
            "the backup job (SHA-256 of script and settings)",
            expected=f"{tested.job[:12]}..., as tested",
            found=f"{installed[:12]}... installed, {whole.job[:12]}... made {whole.name}",
            remedy="run `gonogo run --until restore_tested`: it tests what is made today",
        )


@pytest.mark.restore_tested
def check_restore_left_nothing(found: list[str] = in_target_db(server.databases(f"{SCRATCH}%"))) -> None:
    """The restore test left no database behind."""
    must_be_none(
        "databases of restore tests on the target",
        found=found,
        remedy=f"when no restore test runs, as postgres on the target: {'; '.join(f'dropdb {name}' for name in found)}",
    )


@pytest.mark.accepted
def check_production_was_backed_up_after_the_move(
    plan: Plan,
    run: Run,
    there: bool = in_cloud(backups.exists),
    newest: Manifest | None = in_cloud(backups.newest),
) -> None:
    """The newest backup is younger than the opening: what users entered since is in it."""
    whole, opened = _whole(newest, plan, there=there), run.records(Opening).recorded
    if whole.begun <= opened:
        raise NoGo(
            f"the newest backup, {whole.name}",
            expected=f"begun after the target opened at {opened:%Y-%m-%d %H:%M:%S} UTC",
            found=f"begun {whole.begun:%Y-%m-%d %H:%M:%S} UTC",
            remedy=BACK_UP,
        )
