"""The sign-off, from run directories made by hand: what each kind of ending looks like, and that nothing is trusted."""

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.run import journal
from fixtures.run.evidence import FORMAT, PASS, CheckResult, GateResult, Occasion, Problem, Terms, Verdict
from fixtures.run.journal import Entry
from fixtures.run.records import (
    BeforeJourneys,
    PagePrint,
    PagesReplayed,
    ReplayedPage,
    ResponseTimes,
    TableCopy,
    Times,
    Users,
)
from reports import junit, page, signoff, stored
from reports.models import Outcome, SignOff, Status
from tests.unit.reports.runs import (
    BEGIN,
    GO,
    NO_GO,
    NO_ROW,
    STEPS,
    TABLES,
    TERMS,
    UNSURE,
    WAIVED,
    Made,
    look,
    plain,
    wrong,
)


def test_an_accepted_run_says_so_in_one_sentence(made: Made) -> None:
    made.walk()
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert plain(sign.sentence) == (
        "Accepted: app.smallpayroll.test runs on i-0c9d7e21b3a4f5d68 since 2026-11-23 06:42 UTC; outage 24 s; "
        "225 731 rows in 16 tables proven equal; 512 files."
    )
    assert sum(TABLES.values()) == 225_731
    assert (sign.troubles, sign.next, sign.standing, sign.unreadable) == ([], [], "", [])
    assert {step.outcome for step in sign.steps} == {Outcome.FINISHED}
    assert len(sign.steps) == len(STEPS)
    assert {state.verdict for state in sign.states} == {GO}
    assert sign.data
    assert {table.verdict for table in sign.data.tables} == {GO}
    assert sign.dns[0].model_dump() == {
        "record": "app.smallpayroll.test A", "before": ["198.51.100.10"], "ttl": 3600, "after": "198.51.100.100",
    }  # fmt: skip
    assert "Raise the DNS records' TTL again: before the move it was 3600 s." in sign.not_done


def test_what_users_measured_goes_before_the_journals_own_moments(made: Made) -> None:
    made.walk()
    made.record(Users(write_gap_seconds=13.4, outage_seconds=14.2, acknowledged=812, lost=[], served_by_target=77))
    sign = made.sign()
    assert "outage 14 s" in plain(sign.sentence)
    assert sign.outage
    assert sign.outage.measured
    text = plain(look(page.html(sign)).text)
    assert "13 s, from the last accepted write on the source to the first on the target" in text
    assert "812 acknowledged, 0 lost" in text


def test_response_times_stand_beside_the_old_hosts(made: Made) -> None:
    made.walk()
    before = made.sign()
    assert before.speed == []
    assert "Performance not compared yet" in [risk.name for risk in before.risks]
    old, new = Times(n=40, p50=21.4, p95=80), Times(n=40, p50=18, p95=77)
    made.record(ResponseTimes(source=old, target=new, accepted=Times(n=40, p50=19, p95=91)))
    sign = made.sign()
    assert [(row.host, row.p95) for row in sign.speed] == [
        ("old host", 80), ("target, rehearsed", 77), ("target, in use", 91),
    ]  # fmt: skip
    assert "Performance not compared yet" not in [risk.name for risk in sign.risks]
    assert "| target, in use | 40 | 19 ms | 91 ms |" in page.markdown(sign)


def test_pages_that_production_changed_itself_are_named(made: Made) -> None:
    made.walk()
    assert made.sign().pages is None
    shown = PagePrint(status=200, headers={}, length=1, sha256="", lines="")
    rests, moves = (
        ReplayedPage(kind="sampled", method="GET", url=url, print=shown) for url in ("/rests", "/moves?a=<b>")
    )
    partly = rests.model_copy(update={"url": "/partly", "unsteady": [3]})
    moving = moves.model_copy(update={"url": "/moving", "unsteady": None})
    moves = moves.model_copy(update={"print": None, "unsteady": None})
    made.record(PagesReplayed(sampled=BEGIN, pages=[rests, partly], changed=[moves, moves, moving]))
    sign = made.sign()
    assert (sign.pages.compared, sign.pages.changed) == (2, ["/moves?a=<b>"])
    for text in (page.markdown(sign), plain(look(page.html(sign)).text)):
        assert "each time were left out of these: /partly." in text
        assert "their status and headers alone had to be equal: /moving." in text
    assert "nothing is claimed of them: /moves?a=&lt;b\\>." in page.markdown(sign)
    assert "/moves?a=&lt;b&gt;" in page.html(sign)


def test_tables_that_a_login_writes_to_are_named(made: Made) -> None:
    made.walk()
    copied = made.sign().data
    assert copied.tried == []
    tokens = {"public.tokens": TableCopy(rows=1, digest="ab")}
    made.record(BeforeJourneys(snapshot=copied.snapshot, tables=tokens, sequences={}))
    sign = made.sign()
    assert sign.data.tried == ["public.tokens"]
    for text in (page.markdown(sign), plain(look(page.html(sign)).text)):
        assert "The rows of public.tokens on the target were compared before anybody logged in there" in text
    made.record(BeforeJourneys(snapshot="another copy", tables=tokens, sequences={}))
    assert made.sign().data.tried == []


def test_a_lost_write_is_no_go_whatever_the_gates_said(made: Made) -> None:
    made.walk()
    made.record(Users(write_gap_seconds=1, outage_seconds=1, acknowledged=9, lost=["timesheet 81"], served_by_target=1))
    sign = made.sign()
    assert sign.status is Status.NO_GO
    assert sign.troubles[0].problem.found == "1 lost: timesheet 81"


def test_accepted_needs_the_gate_beside_the_journals_word(made: Made) -> None:
    made.walk("dns_changed")
    made.journal("accepted")
    sign = made.sign()
    assert sign.status is Status.COULD_NOT_VERIFY
    assert sign.troubles[0].problem.found == "the journal says so, and no gate does"


def test_a_gate_after_acceptance_can_take_it_back(made: Made) -> None:
    made.walk()
    made.gate(["accepted"], made.checks("accepted", NO_GO, wrong("the hosts entry is back")), NO_GO)
    assert made.sign().status is Status.NO_GO


def test_a_no_go_is_named_first_with_its_four_parts(made: Made) -> None:
    made.walk("target_stopped")
    made.ahead("copy_database_again", "target_stopped", "final_data_copied")
    made.journal("step_started", "copy_database_again")
    made.wait(6)
    made.events("copy_database_again")
    made.gate(["final_data_copied"], made.checks("final_data_copied", NO_GO, NO_ROW), NO_GO)
    made.journal("step_failed", "copy_database_again", problem=wrong("no-go"))
    sign = made.sign(later=600)
    assert sign.status is Status.NO_GO
    assert plain(sign.sentence) == (
        "No-go: table public.payslips: expected 28896 rows, as the copy's snapshot held, found 28895 rows."
    )
    found = sign.troubles[0].problem
    assert (found.subject, found.found) == ("table public.payslips", "28895 rows")
    assert found.expected.startswith("28896 rows")
    assert found.remedy.startswith("run `gonogo run` again")
    assert sign.standing.startswith("Production is closed since")
    assert any(
        "49 min" in plain(line) and "of the outage budget of 60 min were left" in plain(line) for line in sign.next
    )
    assert sign.data
    assert not sign.data.proven
    assert {t.name: t.verdict for t in sign.data.tables}["public.payslips"] is NO_GO
    assert {t.name: t.verdict for t in sign.data.tables}["public.users"] is GO
    text = look(page.html(sign)).text
    assert text.index("28895 rows") < text.index("Timeline")
    assert "proven equal" not in plain(sign.sentence)


def test_could_not_verify_names_the_reason_of_the_whole_gate(made: Made) -> None:
    made.walk("runtime_installed")
    made.gate(
        ["runtime_installed"], made.checks("runtime_installed")[:1], UNSURE, "1 of 2 checks did not run: check_it_lasts"
    )
    sign = made.sign()
    assert sign.status is Status.COULD_NOT_VERIFY
    assert "1 of 2 checks did not run" in sign.troubles[0].problem.found
    assert {s.name: s.verdict for s in sign.states}["runtime_installed"] is UNSURE


def test_a_failed_step_says_what_failed(made: Made) -> None:
    made.walk("data_mounted")
    made.ahead("install_runtimes", "data_mounted", "runtime_installed")
    made.journal("step_started", "install_runtimes")
    made.wait(3)
    problem = Problem(
        subject="apt on the target",
        expected="to install ruby",
        found="No space left on device",
        remedy="enlarge the disk",
    )
    made.journal("step_failed", "install_runtimes", problem=problem)
    sign = made.sign()
    assert sign.status is Status.FAILED
    assert (
        sign.sentence
        == "Failed in the step install_runtimes: apt on the target: expected to install ruby, found No space left on device."
    )
    assert sign.troubles[0].problem.found == "No space left on device"
    assert sign.standing == "Production serves users, as before."


def test_a_crash_in_the_middle_with_a_cut_line(made: Made) -> None:
    made.walk("target_stopped")
    made.ahead("copy_database_again", "target_stopped", "final_data_copied")
    made.journal("step_started", "copy_database_again")
    with (made.directory / "journal.jsonl").open("a") as file:
        file.write('{"at":"2026-11-23T06:42:')
    sign = made.sign()
    assert sign.status is Status.STOPPED
    assert sign.steps[-1].outcome is Outcome.CUT_SHORT
    assert sign.unreadable == []
    assert sign.next[0].startswith("Go on: gonogo run")
    assert sign.next[1].startswith("Or go back")
    assert "Nothing is left of the outage budget" in plain(sign.next[2])
    fresh = made.sign(later=5)
    assert fresh.status is Status.UNDER_WAY
    assert fresh.steps[-1].outcome is Outcome.RUNNING
    assert '<meta http-equiv="refresh"' in page.html(fresh)
    assert '<meta http-equiv="refresh"' not in page.html(sign)


def test_a_resumed_run_shows_both_tries(made: Made) -> None:
    made.walk("target_stopped")
    made.journal("step_started", "copy_database_again")
    made.wait(900)
    made.journal("resumed")
    for name, gives, seconds in STEPS[23:]:
        made.step(name, "", gives, seconds)
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    again = next(step for step in sign.steps if step.name == "copy_database_again")
    assert [a.outcome for a in again.attempts] == [Outcome.CUT_SHORT, Outcome.FINISHED]
    assert again.attempts[0].ended == again.attempts[0].started


def test_a_proof_of_an_earlier_copy_is_none_of_the_next(made: Made) -> None:
    made.walk("final_data_copied")
    assert (data := made.sign().data)
    assert data.proven
    made.wait(1)
    made.events("copy_database_again")
    data = made.sign().data
    assert data
    assert not data.proven
    assert {table.verdict for table in data.tables} == {None}


def test_a_crashed_try_ends_with_its_last_sign_of_life(made: Made) -> None:
    made.walk("data_mounted")
    made.journal("step_started", "install_runtimes")
    made.wait(7)
    made.journal("waiver_used", gate=1, check="x", waiver=TERMS)
    made.wait(900)
    made.journal("catalogue", checks=1, sha256="ab")
    made.step("install_runtimes", "data_mounted", "runtime_installed", 5)
    first, second = made.sign().steps[-1].attempts
    assert ((first.ended - first.started).total_seconds(), first.outcome) == (7, Outcome.CUT_SHORT)
    assert second.outcome is Outcome.FINISHED


def test_an_ended_run_that_was_asked_to_stop_early_is_not_under_way(made: Made) -> None:
    made.walk("rehearsed")
    assert made.sign(later=1).status is Status.UNDER_WAY
    sign = made.sign(later=1, ended=True)
    assert sign.status is Status.PAUSED
    assert sign.not_done[:2] == ["Write the checklist, and have every risk signed.", "Lower the DNS records' TTL."]
    assert "Close production." in sign.not_done


def test_backed_out(made: Made) -> None:
    made.walk("final_data_copied")
    made.journal("back_out_started")
    made.wait(4)
    made.journal("source_reopened")
    made.journal("backed_out")
    assert made.sign(later=1).status is Status.UNDER_WAY
    made.gate(["backed_out"], made.checks("backed_out"), GO)
    sign = made.sign()
    assert sign.status is Status.BACKED_OUT
    assert plain(sign.sentence).startswith(
        "Backed out: app.smallpayroll.test runs on the old host again since 2026-11-23 06:4"
    )
    assert "it was closed for 15 s" in plain(sign.sentence)
    assert sign.dns[0].after == ""


def test_a_waived_check_keeps_its_terms_and_spoils_the_proof(made: Made) -> None:
    made.walk()
    made.gate(["final_data_copied"], made.checks("final_data_copied", WAIVED, NO_ROW), WAIVED)
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert sign.waivers[0].terms.model_dump() == TERMS.model_dump()
    assert "rows" not in sign.sentence
    assert plain(sign.sentence).endswith("; 512 files proven equal; 1 failed check waived.")
    assert "Petra Approver" in page.html(sign)
    assert "Petra Approver" in page.markdown(sign)


def test_a_gate_asked_beforehand_is_no_trouble(made: Made) -> None:
    made.begin()
    made.ahead("survey_source", "", "source_surveyed")
    sign = made.sign(later=1)
    assert sign.status is Status.UNDER_WAY
    assert sign.states == []
    assert sign.gates[0].before


def test_an_already_true_step(made: Made) -> None:
    made.begin()
    made.gate(["key_pair_present"], made.checks("key_pair_present"), GO, step="create_key_pair",
              occasion=Occasion.GIVEN_BEFORE, seconds=2)  # fmt: skip
    made.journal("already_true", "create_key_pair")
    sign = made.sign()
    assert sign.steps[0].outcome is Outcome.ALREADY_TRUE
    assert sign.steps[0].seconds == 2
    assert [s.name for s in sign.states] == ["key_pair_present"]


def test_an_edited_plan_is_named_with_its_keys_and_what_ran_again(made: Made) -> None:
    made.begin()
    made.journal("plan_edited", before="a", plan="b", keys={"web.pages": ("c", "d")}, again=["survey"])
    sign = made.sign()
    assert [(edit.keys, edit.again) for edit in sign.edits] == [(["web.pages"], ["survey"])]
    for text in (page.markdown(sign), page.html(sign)):
        assert "web.pages; run again for it: survey" in text


def test_an_interrupted_run(made: Made) -> None:
    made.walk("data_mounted")
    made.journal("step_started", "install_runtimes")
    made.wait(2)
    made.journal("interrupted", "install_runtimes")
    sign = made.sign(later=1)
    assert sign.status is Status.INTERRUPTED
    assert sign.sentence == "Interrupted by the operator after the step install_runtimes."


moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
problems = st.builds(Problem, subject=texts, expected=texts, found=texts, remedy=texts)
terms = st.builds(Terms, who=texts, until=st.dates(), reason=texts)
check_results = st.builds(
    CheckResult, id=texts, states=st.lists(st.sampled_from(["accepted", "final_data_copied", "x"]), max_size=2), claim=texts,
    function=texts, file=texts, line=st.integers(1, 9), parameters=st.dictionaries(texts, texts, max_size=2),
    outcome=st.sampled_from(Verdict), problem=st.none() | problems, waiver=st.none() | terms, seconds=st.floats(0, 1e6),
)  # fmt: skip
some = st.sampled_from(["accepted", "x"])
steps_of = st.sampled_from(["a", "b"])
entries = st.one_of(
    *(st.builds(kind, at=moments) for kind in (journal.Resumed, journal.SourceClosed, journal.TargetOpened,
      journal.Accepted, journal.BackOutStarted, journal.SourceReopened, journal.BackedOut, journal.TargetFenced)),
    *(st.builds(kind, at=moments, step=steps_of) for kind in (journal.StepStarted, journal.StepFinished,
      journal.Interrupted, journal.AlreadyTrue, journal.Voided)),
    st.builds(journal.StepFailed, at=moments, step=steps_of, problem=problems),
    st.builds(journal.RunStarted, at=moments, plan=texts), st.builds(journal.CatalogueMade, at=moments, checks=st.integers(), sha256=texts),
    st.builds(journal.DnsChanged, at=moments, records=st.dictionaries(texts, texts, max_size=2)),
    st.builds(journal.GateJudged, at=moments, number=st.integers(0, 3), states=st.lists(some, max_size=2),
              occasion=st.sampled_from(Occasion), step=steps_of, verdict=st.sampled_from(Verdict), reason=texts),
    st.builds(journal.WaiverUsed, at=moments, gate=st.integers(0, 3), check=texts, waiver=terms),
)  # fmt: skip
GATE_FIELDS = set(journal.GateJudged.model_fields) - {"at", "kind"}
gate_results = st.builds(
    GateResult, number=st.integers(0, 3), states=st.lists(some, max_size=2), covers=st.lists(some, max_size=2),
    occasion=st.sampled_from(Occasion), step=st.sampled_from(["a", "b", ""]),
    verdict=st.sampled_from(Verdict), reason=texts, started=moments, finished=moments, results=st.lists(check_results, max_size=3),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    written=st.lists(entries, max_size=8),
    results=st.lists(gate_results, max_size=3),
    later=st.floats(-1e5, 1e5),
    ended=st.booleans(),
)
def test_any_evidence_makes_a_report(
    tmp_path_factory: pytest.TempPathFactory, written: list[Entry], results: list[GateResult], later: float, ended: bool
) -> None:
    directory = tmp_path_factory.mktemp("run")
    (directory / "gates").mkdir()
    (directory / "format").write_text(f"{FORMAT}\n")
    (directory / "journal.jsonl").write_text("".join(e.model_dump_json() + "\n" for e in written), encoding="utf-8")
    for i, result in enumerate(results):
        judged = journal.GateJudged(at=result.finished, **result.model_dump(include=GATE_FIELDS))
        with (directory / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(judged.model_dump_json() + "\n")
        (directory / "gates" / f"{i}-gate.json").write_text(result.model_dump_json(), encoding="utf-8")
    evidence = stored.read(directory)
    sign = signoff.build(evidence, BEGIN + timedelta(seconds=later), ended=ended)
    assert sign.sentence
    assert sign.unreadable is not None
    assert SignOff.model_validate_json(sign.model_dump_json()) == sign
    assert look(page.html(sign)).found == []
    page.markdown(sign)
    ET.fromstring(junit.text(evidence, sign))
    if sign.status is Status.ACCEPTED:
        assert any(e.kind == "accepted" for e in written)
        assert any("accepted" in r.covers and r.verdict in PASS for r in results)


def test_own_checks_stand_under_their_files_with_the_copies_they_were_run_from(made: Made) -> None:
    made.walk("web_configured")
    assert made.sign().own == []
    own = {"claim": "The queue is empty.", "states": ["web_configured"], "file": "own/check_queue.py", "line": 3}
    known = {f"own/check_queue.py::{name}": {**own, "function": name} for name in ("check_queue", "check_late")}
    ours = {"checks/a.py::check_a": {**own, "file": "checks/a.py", "function": "check_a"}}
    (made.directory / "catalogue.json").write_text(json.dumps(known | ours))
    (row,) = made.sign().own
    assert (row.checks, row.verdict, row.not_asked, row.copies) == (0, None, list(known), [])
    result = CheckResult(**known["own/check_queue.py::check_queue"], id="own/check_queue.py::check_queue", outcome=GO)
    made.gate(["web_configured"], [result], GO, own="cd" * 32)
    sign = made.sign()
    (row,) = sign.own
    assert (row.checks, row.verdict, row.copies) == (1, GO, ["cd" * 32])
    assert row.not_asked == ["own/check_queue.py::check_late"]
    assert f"| own/check_queue.py | 1 | go | {'cd' * 8} |" in page.markdown(sign)
    assert "not asked yet: own/check_queue.py::check_late" in plain(look(page.html(sign)).text)
    (made.directory / "catalogue.json").write_text("{")
    assert "catalogue.json: cannot be read (cut short by a crash, or edited)" in made.sign().unreadable
