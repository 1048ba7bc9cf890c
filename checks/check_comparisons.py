"""The queries of the business give on the target what they gave on production."""

import pytest

from checks.check_data import AGAIN, compared
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.wanted import in_source_db, in_target_db
from fixtures.plan import Comparison
from fixtures.run.records import ComparisonCopy, DataCopy
from fixtures.sameness.differences import unified
from fixtures.sameness.proofs import comparison_of, on_production_since, on_target_until_opened

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_comparison_matches(
    comparison: Comparison,
    copied: DataCopy,
    on_target: dict[str, ComparisonCopy] = in_target_db(
        lambda plan, run, comparison: on_target_until_opened(run, comparison_of(plan, run, comparison))
    ),
    on_production: dict[str, ComparisonCopy] = in_source_db(
        lambda plan, run, comparison: on_production_since(run, comparison_of(plan, run, comparison))
    ),
) -> None:
    """The query of the business gives exactly the rows that it gave on production."""
    expected = copied.comparisons.get(comparison.name)
    if expected is None:
        raise CouldNotVerify(
            f"the comparison {comparison.name}",
            expected="what it gave on production when the data was copied",
            found="a copy that was made before the plan had it",
            remedy=AGAIN,
        )
    side, found = compared(on_target, on_production)
    lines = unified({comparison.name: "\n".join(expected.shown)}, {comparison.name: "\n".join(found.shown)})
    if (found.rows, found.sha256) != (expected.rows, expected.sha256):
        raise NoGo(
            f"the comparison {comparison.name} on {side}",
            expected=f"{expected.rows} rows, SHA-256 {expected.sha256[:16]}",
            found=f"{found.rows} rows, SHA-256 {found.sha256[:16]}" + (f"\n{lines}" if lines else ""),
            remedy=AGAIN,
        )
