"""Sequences go on where production's stood."""

from contextlib import closing

import pytest

from checks.check_data import AGAIN
from checks.equality import must_be_none
from fixtures.connect.database import Database
from fixtures.errors import NoGo
from fixtures.run.records import DataCopy
from fixtures.sameness import catalog, differences, pinned
from fixtures.sameness.side import Side

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_sequences_match(copied: DataCopy, side: Side) -> None:
    """Every sequence stands where production's stood while it was copied: no number is given twice."""
    found = catalog.read_sequences(side.reading.session)
    # Closed production's sequences stand still; live ones may have moved while the dump ran, and any value between is right.
    nearest = {
        name: found[name]
        if name in found and _between(found[name], before, copied.sequences_after.get(name, before))
        else before
        for name, before in copied.sequences.items()
    }
    differing = differences.differences(nearest, found)
    if differing:
        raise NoGo(
            f"sequences on {side.name}",
            expected="last_value and is_called as on production",
            found=differing,
            remedy=AGAIN,
        )


def _between(found: tuple[int, bool], before: tuple[int, bool], after: tuple[int, bool]) -> bool:
    first, last = sorted((before[0], after[0]))
    return first <= found[0] <= last and found[1] in {before[1], after[1]}


def check_sequences_are_ahead(target_db: Database) -> None:
    """Every sequence that numbers a column will give a number that the column does not hold yet."""
    with closing(target_db.connect(statement_timeout=3600)) as session:
        pinned.pin(session)
        behind = catalog.read_sequences_behind(session)
    must_be_none(
        "sequences on the target",
        expected="ahead of the columns that they number",
        found=behind,
        most=5,
        remedy="see whether production's are behind too: if so, set them there (setval); then copy again: `gonogo run`",
    )
