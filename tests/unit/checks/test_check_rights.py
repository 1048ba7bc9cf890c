"""The rights of the night and its room: the checks, each seen red."""

from datetime import timedelta

import pytest

from checks import check_rights
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.volume import Room
from fixtures.plan.rights import needed_rights
from fixtures.run.evidence import Problem, Verdict, now
from fixtures.run.records import FileCount, RightsTried, TriedRight
from tests.unit.checks.test_check_backups import Manifest, manifest
from tests.unit.example import PLAN

RIGHT = next(right for right in needed_rights(PLAN) if right.key == "smoke.password")
REFUSED = Problem(subject="logging in", expected="a page", found="status 401", remedy="correct smoke.password")
MIB = 2**20


def record(run, **changes):
    tried = TriedRight(right=RIGHT.name, at=now(), verdict=Verdict.GO)
    run.record(RightsTried(rights=[tried.model_copy(update=changes)]))


def test_a_right_that_was_granted_is_go_for_a_day(plan, run):
    with pytest.raises(CouldNotVerify):
        check_rights.check_right_was_tried(RIGHT, plan, run)
    record(run)
    check_rights.check_right_was_tried(RIGHT, plan, run)
    record(run, at=now() - timedelta(hours=23, minutes=59))
    check_rights.check_right_was_tried(RIGHT, plan, run)
    record(run, at=now() - timedelta(hours=24, minutes=1))
    with pytest.raises(NoGo, match=r"cutover\.rights_hours"):
        check_rights.check_right_was_tried(RIGHT, plan, run)


def test_a_right_that_was_refused_is_named_by_its_key(plan, run):
    record(run, verdict=Verdict.NO_GO, problem=REFUSED)
    with pytest.raises(NoGo, match=r"(?s)smoke\.password.*logging in.*status 401.*tries") as caught:
        check_rights.check_right_was_tried(RIGHT, plan, run)
    assert RIGHT.meaning in caught.value.subject
    record(run, verdict=Verdict.COULD_NOT_VERIFY, problem=REFUSED)
    with pytest.raises(CouldNotVerify, match="status 401"):
        check_rights.check_right_was_tried(RIGHT, plan, run)


def test_what_was_never_tried_or_is_of_the_future_could_not_be_verified(plan, run):
    record(run, right="another")
    with pytest.raises(CouldNotVerify, match="never tried"):
        check_rights.check_right_was_tried(RIGHT, plan, run)
    record(run, at=now() + timedelta(minutes=5))
    with pytest.raises(CouldNotVerify, match="a moment that has passed"):
        check_rights.check_right_was_tried(RIGHT, plan, run)


def holding(size):
    return {str(upload.path): FileCount(files=1, links=0, bytes=size) for upload in PLAN.files}


def on_target(rooms, **changes):
    newest = Manifest.model_validate(manifest(objects={"database.dump": {"bytes": 100 * MIB, "sha256": "x"}}))
    known = {
        "database": 700 * MIB, "copied": 500 * MIB, "newest": newest, "uploads": holding(80 * MIB), "there": holding(50 * MIB),
    }  # fmt: skip
    check_rights.check_target_has_room_for_the_final_copy(PLAN, rooms, **known | changes)


def test_the_target_has_room_for_what_production_has_more_and_for_a_dump():
    spare = 1024

    def apart(data, uploads):
        return [Room("/mnt", data * MIB), Room("/", uploads * MIB)]

    on_target(apart(200 + 100 + spare, 30 + spare))
    with pytest.raises(NoGo, match=r"/mnt: 1323 MiB are free, 1324 MiB are needed"):
        on_target(apart(200 + 100 + spare - 1, 30 + spare))
    with pytest.raises(NoGo, match=r"/: 1053 MiB are free, 1054 MiB are needed") as caught:
        on_target(apart(200 + 100 + spare, 30 + spare - 1))
    assert "/mnt" not in caught.value.found


def test_what_lies_on_one_file_system_shares_its_room():
    on_target([Room("/", 1354 * MIB)] * 2)
    with pytest.raises(NoGo, match="1354 MiB are needed") as caught:
        on_target([Room("/", 1353 * MIB)] * 2)
    assert caught.value.found.count("/:") == 1


def test_without_a_backup_the_dump_is_taken_to_be_as_large_as_the_database():
    on_target([Room("/", (200 + 700 + 30 + 1024) * MIB)] * 2, newest=None)
    with pytest.raises(NoGo, match="1954 MiB"):
        on_target([Room("/", (200 + 700 + 30 + 1023) * MIB)] * 2, newest=None)


def test_a_target_that_holds_more_than_production_needs_no_more_for_it():
    on_target([Room("/", (100 + 1024) * MIB)] * 2, database=0, uploads=holding(0))


def test_production_has_room_for_what_closing_writes():
    check = check_rights.check_production_has_room_to_be_closed
    check(PLAN, "/data", [Room("/", 64 * MIB), Room("/home", 64 * MIB)])
    with pytest.raises(NoGo, match=r"the room on production(?s:.*)/home: 63 MiB are free, 64 MiB are needed"):
        check(PLAN, "/data", [Room("/", 64 * MIB), Room("/home", 63 * MIB)])
