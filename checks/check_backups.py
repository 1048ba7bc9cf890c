"""The target backs itself up to S3, and a backup can be restored."""

from datetime import timedelta

import pytest

from checks.equality import in_words, must_be_none, must_equal
from fixtures.connect.cloud import PLAN_TAG, Cloud
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import catalogue, server, units
from fixtures.facts.backups import DUMP, INSTALLED, SCRATCH, UNIT, Manifest, Store
from fixtures.facts.wanted import in_target_db, on_target
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


@pytest.fixture
def store(cloud: Cloud, plan: Plan) -> Store:
    """The plan's bucket."""
    found = Store(cloud, plan)
    if not found.exists():
        raise CouldNotVerify(f"the bucket {found.name}", expected="present", found="absent", remedy=AGAIN)
    return found


@pytest.fixture
def newest(store: Store) -> Manifest:
    """The newest whole backup."""
    found = store.newest()
    if found is None:
        raise CouldNotVerify(
            f"s3://{store.name}/{store.prefix}", expected="a whole backup", found="none", remedy=BACK_UP
        )
    return found


@pytest.mark.backed_up
def check_bucket_is_ours(store: Store, plan: Plan) -> None:
    """The backups lie in a bucket of the plan's account that gonogo made for this plan."""
    found = store.tags().get(PLAN_TAG)
    must_equal(f"the tag {PLAN_TAG} of {store.name}", expected=plan.name, found=found, remedy=AGAIN)


@pytest.mark.backed_up
def check_bucket_is_closed_to_the_public(store: Store) -> None:
    """Every kind of public access to the bucket is blocked."""
    found = store.public_access_blocks()
    expected = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    opened = [name for name in expected if not found.get(name)]
    if opened:
        raise NoGo(
            f"public access to {store.name}",
            expected="blocked",
            found=f"not blocked: {', '.join(opened)}",
            remedy=AGAIN,
        )


@pytest.mark.backed_up
def check_bucket_encrypts(store: Store, plan: Plan) -> None:
    """The bucket encrypts what is put into it as the plan says."""
    expected, found = (plan.backup.encryption, plan.backup.kms_key or ""), store.encryption()
    must_equal(f"the default encryption of {store.name} (algorithm, key)", expected=expected, found=found, remedy=AGAIN)


@pytest.mark.backed_up
def check_bucket_forgets_old_backups(store: Store, plan: Plan) -> None:
    """The bucket deletes backups after the days that the plan sets."""
    days = [
        rule.get("Expiration", {}).get("Days")
        for rule in store.lifecycle()
        if rule.get("Status") == "Enabled" and rule.get("Filter", {}).get("Prefix") == f"{store.prefix}/"
    ]
    if days != [plan.backup.keep_days]:
        raise NoGo(
            f"the lifecycle of {store.name}/{store.prefix}/",
            expected=f"{plan.backup.keep_days} days",
            found=f"{in_words(days)} days" if days else "no rule",
            remedy=AGAIN,
        )


@pytest.mark.backed_up
def check_newest_backup_is_recent(newest: Manifest, plan: Plan) -> None:
    """The newest whole backup is not older than the plan allows."""
    age = now() - newest.begun
    if age > timedelta(hours=plan.backup.max_age_hours):
        raise NoGo(
            f"the newest backup, {newest.name}",
            expected=f"at most {plan.backup.max_age_hours} hours old",
            found=f"{age.total_seconds() / 3600:.1f} hours",
            remedy=BACK_UP,
        )


@pytest.mark.backed_up
def check_newest_backup_is_whole_and_encrypted(newest: Manifest, store: Store, plan: Plan) -> None:
    """Every part of the newest backup lies in the bucket, as large as its manifest says, and encrypted."""
    found, method = store.objects(newest), plan.backup.encryption
    wrong = [f"{name}: {found[name][0]} bytes" for name, part in newest.objects.items() if found[name][0] != part.bytes]
    wrong += [f"{name}: encrypted with {how or 'nothing'}" for name, (_, how) in found.items() if how != method]
    must_be_none(
        f"the parts of the backup {newest.name}",
        expected=f"as large as in its manifest, encrypted with {method}",
        found=wrong,
        remedy=BACK_UP,
    )


@pytest.mark.backed_up
def check_newest_backup_is_of_this_database(
    newest: Manifest,
    plan: Plan,
    cluster: str = in_target_db(server.IDENTITY),
    tables: list[str] = in_target_db(catalogue.TABLES),
    size: int = in_target_db(catalogue.SIZE),
) -> None:
    """The newest backup holds this cluster's database with all its tables, and is as large as one would be."""
    absent = sorted(set(tables) - set(newest.tables))
    least = max(1, int((size - EMPTY) * SMALLEST))
    dumped = newest.objects[DUMP].bytes
    good = (newest.identifier, newest.database) == (cluster, plan.database.name) and not absent and dumped >= least
    if not good:
        raise NoGo(
            f"the backup {newest.name}",
            expected=f"database {plan.database.name} of cluster {cluster}, {len(tables)} tables, {least} bytes at least",
            found=f"database {newest.database} of cluster {newest.identifier}, without {', '.join(absent) or 'none'}, {dumped} bytes",
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
def check_restore_covered_everything(run: Run, tables: list[str] = in_target_db(catalogue.TABLES)) -> None:
    """The restored backup held every table of the database, and files."""
    tested = run.records(RestoreTest)
    absent = sorted(set(tables) - set(tested.tables))
    if absent or not tested.files:
        raise NoGo(
            f"the restored backup {tested.backup}",
            expected="every table of today, and files",
            found=f"without {', '.join(absent) or 'no table'}; {tested.files} files",
            remedy=f"{BACK_UP}, then run `gonogo run --until restore_tested`",
        )


@pytest.mark.restore_tested
def check_backups_are_still_made_that_way(run: Run, newest: Manifest, installed: str = on_target(INSTALLED)) -> None:
    """The newest backup was made by the very job whose backup was restored, and that job is what runs next."""
    tested = run.records(RestoreTest)
    if not (tested.job == installed == newest.job):
        raise NoGo(
            "the backup job (SHA-256 of script and settings)",
            expected=f"{tested.job[:12]}..., as tested",
            found=f"{installed[:12]}... installed, {newest.job[:12]}... made {newest.name}",
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
def check_production_was_backed_up_after_the_move(run: Run, newest: Manifest) -> None:
    """The newest backup is younger than the opening: what users entered since is in it."""
    opened = run.records(Opening).recorded
    if newest.begun <= opened:
        raise NoGo(
            f"the newest backup, {newest.name}",
            expected=f"begun after the target opened at {opened:%Y-%m-%d %H:%M:%S} UTC",
            found=f"begun {newest.begun:%Y-%m-%d %H:%M:%S} UTC",
            remedy=BACK_UP,
        )
