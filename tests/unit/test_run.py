"""A run's journal and how a run ends; what is redacted; errors of the operator's own machine."""

import errno
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from fixtures import secrets
from fixtures.errors import GonogoError, PlanError, Refused
from fixtures.plan import Plan, load_plan, parse_plan
from fixtures.plan.waivers import Waiver
from fixtures.run.evidence import Check, CheckResult, Occasion, Problem, Receipt, Verdict
from fixtures.run.journal import (
    Accepted,
    BackedOut,
    BackOutStarted,
    GateJudged,
    Resumed,
    SourceClosed,
    SourceReopened,
    StepFailed,
    TargetFenced,
    TargetUnfenced,
)
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run, new_run
from steps.cli import lab as cli_lab
from steps.cli.clear_errors import clear_errors
from steps.engine.executor import PlanChanged, choose_run, ended, going_back, minutes_left
from steps.engine.gate import Gates

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml"

CHECK = Check(claim="It is so.", states=["ruby_installed"], function="check_a", file="checks/a", line=1)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "plan.toml").write_bytes(EXAMPLE.read_bytes())
    return load_plan(tmp_path / "plan.toml")


@pytest.fixture
def run(plan: Plan, tmp_path: Path) -> Run:
    return new_run(plan, tmp_path / "runs")


def _gate(state: str, verdict: str) -> GateJudged:
    return GateJudged(number=1, states=[state], occasion=Occasion.AFTER, verdict=Verdict(verdict))


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0c", "\r\n"])
def test_an_error_with_odd_line_ends_is_read_back(run: Run, odd: str) -> None:
    problem = Problem(subject="a", expected="b", found=f"one{odd}two", remedy="c")
    run.journal(StepFailed(step="a", problem=problem))
    assert [e.problem for e in run.entries()] == [problem]


def test_an_entry_cut_anywhere_is_passed_over(run: Run) -> None:
    whole = _gate("\u00e9", "no-go").model_dump_json().encode()
    for length in range(1, len(whole)):
        (run.directory / "journal.jsonl").write_bytes(whole[:length])
        run.journal(Resumed())
        assert [e.kind for e in run.entries()] == ["resumed"], whole[:length]


@pytest.mark.parametrize("line", ["something", '{"kind": "no such kind"}', '{"kind" "gate"}', "[1"])
def test_a_journal_edited_by_hand_is_refused(run: Run, line: str) -> None:
    (run.directory / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(GonogoError, match="line 1"):
        list(run.entries())


@pytest.mark.parametrize("end", [Accepted, BackedOut])
def test_an_end_is_one_once_its_gate_said_so(run: Run, end: type[Accepted | BackedOut]) -> None:
    run.journal(_gate(end().kind, "go"))
    run.journal(end())
    assert not ended(run, end), "the gate was asked before"
    run.journal(_gate(end().kind, "no-go"))
    assert not ended(run, end)
    run.journal(_gate(end().kind, "waived"))
    assert ended(run, end)


def test_a_run_whose_last_gate_is_missing_goes_on(plan: Plan, run: Run) -> None:
    run.journal(Accepted())
    assert choose_run(plan, run.directory.parent)[0].name == run.name
    run.journal(_gate("accepted", "go"))
    with pytest.raises(Refused, match="was accepted"):
        choose_run(plan, run.directory.parent)


def test_a_run_that_is_going_back_does_not_go_forward(plan: Plan, run: Run) -> None:
    run.journal(BackOutStarted())
    assert not going_back(run), "nothing was changed yet"
    run.journal(TargetFenced())
    with pytest.raises(Refused, match="not finished"):
        choose_run(plan, run.directory.parent)
    run.journal(TargetUnfenced())
    assert not going_back(run), "it was called off"


def test_a_run_of_another_format_is_refused_in_one_line(run: Run) -> None:
    (run.directory / "format").unlink()
    for read in (lambda: list(run.entries()), lambda: run.records(SourceClosure)):
        with pytest.raises(Refused) as caught:
            read()
        assert (caught.value.found, "format 2" in caught.value.expected) == ("format 1", True)


def test_a_plan_edited_before_the_first_entry_is_noticed(plan: Plan, run: Run) -> None:
    plan.path.write_text(plan.path.read_text() + "\n# a change\n")
    with pytest.raises(PlanChanged):
        choose_run(plan, run.directory.parent)


def test_no_budget_runs_once_production_is_open_again(plan: Plan, run: Run) -> None:
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed=datetime(2026, 1, 1, tzinfo=UTC)))
    left = minutes_left(plan, run)
    assert left is not None
    assert left < 0
    run.journal(SourceReopened())
    assert minutes_left(plan, run) is None


def test_a_check_that_nobody_expected_shuts_a_composite_gate(plan: Plan, run: Run) -> None:
    def result(name: str) -> CheckResult:
        return CheckResult(id=name, outcome=Verdict.GO, **dict(CHECK))

    gates = Gates(plan, run)
    gates.catalogue = {"checks/a": CHECK}
    receipt = Receipt(
        nonce="",
        expression="pre_cutover",
        files=[],
        collected={},
        expected=[],
        results=[result("checks/a"), result("checks/b")],
    )
    judged = gates._keep(1, Occasion.BY_HAND, "", ["pre_cutover"], receipt, "0", datetime.now(UTC))
    assert {r.id for r in judged.results} == {"checks/a", "checks/b"}
    assert judged.verdict is Verdict.COULD_NOT_VERIFY


def test_secrets_are_taken_out_of_json_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "known_secrets", {'pa"ss\\w\u00f6rd'})
    problem = Problem(subject="a", expected="b", found='refused: pa"ss\\w\u00f6rd!', remedy="c")
    run.journal(StepFailed(step="a", problem=problem))
    assert [e.problem.found for e in run.entries()] == ["refused: [secret]!"]


def test_a_secret_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    for secret in (secrets.Secret(file=tmp_path / "key"), secrets.Secret(env="")):
        with pytest.raises(GonogoError, match="secret from"):
            secret.reveal()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:80@example.net", "http://127.0.0.1:x", "http://127.0.0.1"])
def test_an_endpoint_is_on_this_machine(endpoint: str) -> None:
    text = re.sub(r"(?m)^\[target\].*$", f'[target]\nendpoint = "{endpoint}"', EXAMPLE.read_text(), count=1)
    with pytest.raises(PlanError, match=r"- target"):
        parse_plan(text, EXAMPLE)


def test_a_waiver_covers_a_check_and_its_parameters() -> None:
    waiver = Waiver(check="checks/a.py::check_b", reason="long enough", who="Ada", until=datetime.now(UTC).date())
    covered = [waiver.covers(f"checks/a.py::check_b{rest}") for rest in ("", "[x]", "c", "c[x]")]
    assert covered == [True, True, False, False]


def test_a_full_disk_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    @clear_errors
    def command() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal.jsonl")

    with pytest.raises(typer.Exit) as ended_with:
        command()
    assert ended_with.value.exit_code == 1
    assert "journal.jsonl" in (out := capsys.readouterr().out)
    assert "No space left" in out


def test_a_demonstration_that_broke_off_is_in_nobodys_way(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_lab, "RUNS", run.directory.parent)
    run.journal(SourceClosed())
    cli_lab._set_aside(plan)
    again, resumed = choose_run(plan, run.directory.parent, anew=True)
    assert not resumed
    assert sorted(p.name for p in run.directory.parent.iterdir())[-1].endswith("-lab-gone")
    again.journal(Accepted())
    again.journal(_gate("accepted", "go"))
    cli_lab._set_aside(plan)
    assert again.directory.exists()
