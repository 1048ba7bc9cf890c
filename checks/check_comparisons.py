"""The queries of the business give on the target what they gave on production."""

import pytest

from checks.check_data import AGAIN
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Comparison
from fixtures.run.records import DataCopy
from fixtures.sameness.comparisons import read_comparisons
from fixtures.sameness.differences import unified
from fixtures.sameness.side import Side

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_comparison_matches(comparison: Comparison, copied: DataCopy, side: Side) -> None:
    """The query of the business gives exactly the rows that it gave on production."""
    expected = copied.comparisons.get(comparison.name)
    if expected is None:
        raise CouldNotVerify(
            f"the comparison {comparison.name}",
            expected="what it gave on production when the data was copied",
            found="a copy that was made before the plan had it",
            remedy=AGAIN,
        )
    found = read_comparisons(side.reading.session, [comparison])[comparison.name]
    lines = unified({comparison.name: "\n".join(expected.shown)}, {comparison.name: "\n".join(found.shown)})
    if (found.rows, found.sha256) != (expected.rows, expected.sha256):
        raise NoGo(
            f"the comparison {comparison.name} on {side.name}",
            expected=f"{expected.rows} rows, SHA-256 {expected.sha256[:16]}",
            found=f"{found.rows} rows, SHA-256 {found.sha256[:16]}" + (f"\n{lines}" if lines else ""),
            remedy=AGAIN,
        )
