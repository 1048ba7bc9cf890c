"""Every right that the night needs was tried, and what the night writes has room."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from checks.equality import must_be_none
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import backups, catalogue, files, server
from fixtures.facts.backups import DUMP, Manifest
from fixtures.facts.fact import HostFact
from fixtures.facts.volume import Room, room
from fixtures.facts.wanted import in_cloud, in_source_db, in_target_db, on_source, on_target
from fixtures.plan import Plan
from fixtures.plan.rights import Right
from fixtures.run.evidence import Verdict, now
from fixtures.run.places import STATE_DIRECTORY
from fixtures.run.records import FileCount, RightsTried
from fixtures.run.run import Run

pytestmark = pytest.mark.rights_tried

AGAIN = "`gonogo run --until rights_tried` tries all of them again"
MIB = 2**20
SPARE = 1024 * MIB
"""Bytes on each file system of the target beside what is copied: PostgreSQL's log of the restore, and what grows meanwhile."""
LITTLE = 64 * MIB
"""Bytes on production, where closing writes a few files and PostgreSQL's log; the dump goes straight to the target."""


def check_right_was_tried(right: Right, plan: Plan, run: Run) -> None:
    """Every right that the night needs was granted when it was tried, and that is recent."""
    tried = next((one for one in run.records(RightsTried).rights if one.right == right.name), None)
    if tried is None:
        raise CouldNotVerify(
            f"{right.name}, which {right.meaning}", expected="tried in this run", found="never tried", remedy=AGAIN
        )
    if tried.problem:
        kind = CouldNotVerify if tried.verdict is Verdict.COULD_NOT_VERIFY else NoGo
        raise kind(
            f"{right.name}, which {right.meaning}: {tried.problem.subject}",
            expected=tried.problem.expected,
            found=tried.problem.found,
            remedy=f"{tried.problem.remedy}; {AGAIN}",
        )
    age, most = now() - tried.at, plan.cutover.rights_hours
    found = f"{age.total_seconds() / 3600:.1f} hours ago, at {tried.at:%Y-%m-%d %H:%M} UTC"
    if age < timedelta(0):
        raise CouldNotVerify(
            f"when {right.name} was tried", expected="a moment that has passed", found=found,
            remedy="see the clock of this machine; where it was ahead then, wait until that moment has passed",
        )  # fmt: skip
    if age > timedelta(hours=most):
        raise NoGo(
            f"when {right.name} was tried",
            expected=f"at most {most} hours ago (cutover.rights_hours)",
            found=found,
            remedy=AGAIN,
        )


def _uploads(plan: Plan) -> dict[str, HostFact[FileCount]]:
    return {str(upload.path): files.count(str(upload.path)) for upload in plan.files}


def _places(plan: Plan) -> list[str]:
    """Where the target is filled: the database, and each directory of uploads."""
    return [str(plan.data_on_mount), *(str(upload.path) for upload in plan.files)]


def check_target_has_room_for_the_final_copy(
    plan: Plan,
    rooms: list[Room] = on_target(lambda plan: room(*_places(plan))),
    database: int = in_source_db(catalogue.SIZE),
    copied: int = in_target_db(catalogue.SIZE),
    newest: Manifest | None = in_cloud(backups.newest),
    uploads: dict[str, FileCount] = on_source(_uploads),
    there: dict[str, FileCount] = on_target(_uploads),
) -> None:
    """The target has room for production as it is now, and for the dump that a back-out would save."""
    # The rehearsal's database is dropped before the final copy. A dump is as large as the newest backup's.
    dump = newest.objects[DUMP].bytes if newest else database
    needed = {str(plan.data_on_mount): max(0, database - copied) + dump}
    needed |= {path: max(0, count.bytes - there[path].bytes) for path, count in uploads.items()}
    by_place = dict(zip(_places(plan), rooms, strict=True))
    _must_have_room("the target", by_place.values(), _by_mount(needed, by_place), SPARE, "enlarge the disk")


def check_production_has_room_to_be_closed(
    plan: Plan,
    data: str = in_source_db(server.setting("data_directory")),
    rooms: list[Room] = on_source(
        lambda plan, data: room(data, str(STATE_DIRECTORY.parent), str(plan.web.site.parent))
    ),
) -> None:
    """Production has room for what closing writes there: a file of nginx, what is moved aside, PostgreSQL's log."""
    _must_have_room("production", rooms, {}, LITTLE, "rotate its logs")


def _by_mount(needed: Mapping[str, int], rooms: Mapping[str, Room]) -> Counter[str]:
    """Mount point -> bytes that are needed there: what lies on one file system shares its room."""
    together = Counter[str]()
    for place, size in needed.items():
        together[rooms[place].mount] += size
    return together


def _must_have_room(host: str, rooms: Iterable[Room], needed: Mapping[str, int], spare: int, how: str) -> None:
    wanted = {one: needed.get(one.mount, 0) + spare for one in rooms}
    must_be_none(
        f"the room on {host}",
        expected=f"on each file system what the night puts there, and {spare // MIB} MiB beside it",
        found=[
            f"{one.mount}: {one.free // MIB} MiB are free, {size // MIB} MiB are needed"
            for one, size in wanted.items()
            if one.free < size
        ],
        remedy=f"delete what nobody needs there, or {how}; then run the same command again",
    )
