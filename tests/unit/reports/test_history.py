"""The verdict over several gates."""

from hypothesis import given
from hypothesis import strategies as st

from fixtures.run.evidence import Verdict
from reports import history
from tests.unit.reports.runs import GO, NO_GO


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_wins_and_nothing_is_never_go(verdicts: list[Verdict]) -> None:
    found = history.worst(verdicts)
    assert (found is GO) == (bool(verdicts) and set(verdicts) == {GO})
    assert (found is NO_GO) == (NO_GO in verdicts)
