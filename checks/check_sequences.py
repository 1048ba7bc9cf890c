"""Sequences go on where production's stood."""

import pytest

from checks.check_data import AGAIN, compared
from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts.wanted import in_source_db, in_target_db
from fixtures.run.records import DataCopy
from fixtures.run.run import Run
from fixtures.sameness import differences
from fixtures.sameness.proofs import (
    SEQUENCES_BEHIND,
    TARGET,
    before_journeys,
    on_production_since,
    on_target_until_opened,
    sequences,
)

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_sequences_match(
    copied: DataCopy,
    run: Run,
    on_target: dict[str, dict[str, tuple[int, bool]]] = in_target_db(
        lambda plan, run: on_target_until_opened(run, sequences(plan, run))
    ),
    on_production: dict[str, dict[str, tuple[int, bool]]] = in_source_db(
        lambda plan, run: on_production_since(run, sequences(plan, run))
    ),
) -> None:
    """Every sequence stands where production's stood while it was copied: no number is given twice."""
    side, found = compared(on_target, on_production)
    before = before_journeys(run)
    if before and side == TARGET:  # a login or a journey may have taken numbers since
        found = {**found, **before.sequences}
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
            f"sequences on {side}",
            expected="last_value and is_called as on production",
            found=differing,
            remedy=AGAIN,
        )


def _between(found: tuple[int, bool], before: tuple[int, bool], after: tuple[int, bool]) -> bool:
    first, last = sorted((before[0], after[0]))
    return first <= found[0] <= last and found[1] in {before[1], after[1]}


def check_sequences_are_ahead(behind: list[str] = in_target_db(SEQUENCES_BEHIND)) -> None:
    """Every sequence that numbers a column will give a number that the column does not hold yet."""
    must_be_none(
        "sequences on the target",
        expected="ahead of the columns that they number",
        found=behind,
        most=5,
        remedy="see whether production's are behind too: if so, set them there (setval); then copy again: `gonogo run`",
    )
