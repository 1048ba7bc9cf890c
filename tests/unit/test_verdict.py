"""The verdict over a gate's results."""

from hypothesis import given
from hypothesis import strategies as st

from fixtures import states
from fixtures.policy.verdict import asked_states, expected_checks, judge
from fixtures.run.evidence import CheckResult, Verdict

OUTCOMES = st.sampled_from(list(Verdict))


def result(name, outcome=Verdict.GO, marks=("data_copied",)):
    return CheckResult(id=name, states=list(marks), claim="", function="", file="", line=1, outcome=outcome)


@given(st.dictionaries(st.text(min_size=1, max_size=3), OUTCOMES, min_size=1))
def test_one_bad_outcome_decides(outcomes):
    verdict, _ = judge(set(outcomes), [result(n, o) for n, o in outcomes.items()])
    found = set(outcomes.values())
    if Verdict.NO_GO in found:
        assert verdict is Verdict.NO_GO
    elif Verdict.COULD_NOT_VERIFY in found:
        assert verdict is Verdict.COULD_NOT_VERIFY
    else:
        assert verdict is (Verdict.WAIVED if Verdict.WAIVED in found else Verdict.GO)


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9)))
def test_go_needs_exactly_the_expected_checks(expected, ran):
    verdict, reason = judge({str(n) for n in expected}, [result(str(n)) for n in ran])
    assert (verdict is Verdict.GO) == (expected == ran)
    assert bool(reason) == (expected != ran)


def test_nothing_expected_is_never_go():
    assert judge(set(), [])[0] is Verdict.COULD_NOT_VERIFY
    assert judge(set(), [result("a")])[0] is Verdict.COULD_NOT_VERIFY


def test_a_state_without_a_check_is_never_go():
    catalogue = {"a": ["data_copied"]}
    verdict, reason = judge({"a"}, [result("a")], ("data_copied", "files_copied"), catalogue)
    assert (verdict, reason) == (Verdict.COULD_NOT_VERIFY, "no check claims files_copied")


def test_a_check_that_reports_twice_is_not_trusted():
    assert judge({"a"}, [result("a"), result("a")])[0] is Verdict.COULD_NOT_VERIFY


def test_asked_states():
    assert asked_states("data_copied") == ("data_copied",)
    assert asked_states("data_copied or files_copied") == ("data_copied", "files_copied")
    assert asked_states("pre_cutover") == states.COMPOSITES["pre_cutover"]
    for narrowed in ("", "not a", "data_copied and files_copied", "(data_copied)", "nonsense", "data_copied(x=1)"):
        assert asked_states(narrowed) is None, narrowed


def test_expected_checks_come_from_the_catalogue():
    catalogue = {"a": result("a", marks=("data_copied", "files_copied")), "b": result("b", marks=("rehearsed",))}
    assert expected_checks(catalogue, ["files_copied"]) == {"a"}


# --- the states themselves ------------------------------------------------------------------------------------------


def test_composites_hold_what_holds_together():
    before, after = states.COMPOSITES["pre_cutover"], states.COMPOSITES["post_cutover"]
    assert before[0] == "source_surveyed"
    assert before[-1] == "window_open"
    assert "source_closed" in after
    assert not {"target_quarantined", "data_copied", "final_data_copied", "target_stopped", "backed_out"} & set(after)
    assert states.names().index(states.FIRST_OF_CUTOVER) > states.names().index("window_open")


def test_every_ending_names_a_later_state():
    order = states.names()
    for state in states.STATES:
        if state.ends_with:
            assert order.index(state.ends_with) > order.index(state.name)
