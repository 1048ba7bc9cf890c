"""`gonogo forget`: nothing of production's users is left in a run, its evidence renders as before, and no night is harmed."""

import gzip
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fixtures.plan import load_plan
from fixtures.run import forgetting, records
from fixtures.run.evidence import FORGOTTEN, CheckResult, Occasion, Problem, Verdict
from fixtures.run.journal import BackedOut, Forgotten, GateJudged, SourceClosed, TargetFenced
from fixtures.run.readings import Reading, write_readings
from fixtures.run.run import Run, new_run
from reports.models import Status
from steps.cli import cli, exits
from steps.cli import forget as cli_forget
from steps.cli import run as cli_run
from steps.engine.lock import plan_lock
from tests.unit.example import EXAMPLE, EXAMPLE_TEXT, ROOT
from tests.unit.images import MADE as IMAGE
from tests.unit.reports.runs import NO_GO, UNSURE, WAIVED, Made

CANARY = "Petra-Pfeiffer-4711"
PROBLEM = Problem(subject=f"a {CANARY}", expected=f"b {CANARY}", found=f"c {CANARY}", remedy=f"d {CANARY}")
JUNIT = f"""<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="data_copied" errors="1"
 failures="1" skipped="1" tests="3" time="1.5" hostname="vm"><testcase classname="checks.check_data" name="check_rows[public.payslips]"
 file="checks/check_data.py" line="6" time="0.5"><properties><property name="claim" value="Rows are equal." /><property name="verdict"
 value="no-go" /><property name="row" value="{CANARY}" /></properties><failure message="{CANARY}">{CANARY}</failure><system-out>{CANARY}</system-out>
</testcase><testcase name="two"><error message="{CANARY}">{CANARY}</error></testcase><testcase name="three"><skipped type="pytest.skip"
 message="{CANARY}">{CANARY}</skipped><system-err>{CANARY}</system-err></testcase></testsuite></testsuites>
"""
PRINT = records.PagePrint(status=200, headers={"location": CANARY}, length=9, sha256="ab" * 32, lines=CANARY)
PAGE = records.ReplayedPage(kind="sampled", method="GET", url=f"/employees/{CANARY}", print=PRINT)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    for module in (cli, cli_run, cli_forget):
        monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
    return Made(tmp_path / "runs" / "20261123T014000Z-smallpayroll", EXAMPLE_TEXT)


def failed(verdict: Verdict) -> CheckResult:
    return CheckResult(
        id="checks/check_data.py::check_rows[public.payslips]", claim="Rows are equal.", states=["data_copied"],
        function="check_rows", parameters={"table": "public.payslips"}, file="checks/check_data.py", line=6,
        outcome=verdict, problem=PROBLEM,
    )  # fmt: skip


def accepted(made: Made) -> None:
    """A run with all that a night can leave, the canary wherever something of production may stand; accepted."""
    made.walk("rehearsed")
    made.journal("step_started", step="copy_database")
    made.gate(["data_copied"], [failed(NO_GO)], NO_GO, f"why: {CANARY}", step="copy_database")
    made.journal("step_failed", step="copy_database", problem=PROBLEM.model_dump(), traceback=f"File x\n{CANARY}")
    made.gate(["pre_cutover"], [], UNSURE, f"pytest left no receipt and ended with 1: {CANARY}", step="copy_database")
    made.walk()
    made.gate(["accepted"], made.checks("accepted", WAIVED, PROBLEM), WAIVED)
    for entry in (
        {"kind": "target_away", "reason": CANARY},
        {"kind": "target_unknown", "reason": CANARY},
        {"kind": "writes_given_up", "written": {"public.jobs": "+3 rows", "public.users": f"could not be read: {CANARY}"}},
        {"kind": "target_unfenced"},
    ):  # fmt: skip
        made.journal(**entry)
    plant(made)


def plant(made: Made) -> None:
    """The records and the files of gates, proofs and copies."""
    run, directory = Run(made.directory), made.directory
    copy = run.records(records.DataCopy)
    for record in (
        copy.model_copy(
            update={
                "unproven": {"public.notes": CANARY},
                "comparisons": {"payroll": records.ComparisonCopy(rows=2, sha256="cd" * 32, shown=[CANARY, CANARY])},
                "indexes": records.IndexesVerified(heap=True, broken={"users_name": CANARY}, unavailable=CANARY),
            }
        ),
        records.PagesSampled(lines=9, own=0, malformed=0, other_methods=0, candidates=1, pages=[PAGE]),
        records.PagesReplayed(sampled=made.now, pages=[PAGE], changed=[PAGE]),
        IMAGE.model_copy(
            update={
                "scratch": records.ScratchBoot(
                    instance_id="i-2", states=["runtime_installed"], verdict=NO_GO, checks=1, failed=[failed(NO_GO)],
                    leftovers=[CANARY], seconds=1,
                )
            }
        ),
        records.RestoreTest(
            backup="b", made=made.now, job="j", tested_by="t", tables={}, files=1, differences=[CANARY], seconds=1
        ),
        records.UsersMoved(begun=made.now, offsets={"source": 1}, requests={"source": 2}, clients=[CANARY]),
        records.Users(write_gap_seconds=1, outage_seconds=2, acknowledged=5, lost=[CANARY], served_by_target=3),
    ):  # fmt: skip
        run.record(record)
    for path in sorted(directory.glob("gates/[0-9]*.json")):
        path.with_suffix(".xml").write_text(JUNIT)
        path.with_suffix(".log").write_text(CANARY)
        write_readings(
            path.with_suffix(".readings"), [Reading(connection="source_db", question="SELECT", answer=[CANARY])]
        )
    for name in (
        "run.log", "report.log", "gates/catalogue.log", "gates/catalogue.receipt.json", "gates/0007-x.receipt.json",
        "proof/source/ab.json", "scratch/key", "scratch/format", "scratch/records/survey.json", "scratch/gates/0001-x.log",
        "manifests/.scratch-ab/source-1", "sums", ".journal.jsonl.4711", "records/.survey.json.17", "gates/.0001-x.json.99",
        ".signoff.html.12", "signoff.html", "signoff.md", "signoff.json", "junit.xml",
    ):  # fmt: skip
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(CANARY)
    for name in ("manifests/ab.gz", "digests/cd.gz"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(gzip.compress(CANARY.encode()))
    (directory / "catalogue.json").write_text("{}")
    (directory / "checklist.md").write_text("# The cutover\n")
    with (directory / "journal.jsonl").open("a") as file:
        file.write('{"kind": "step_failed", "step": "accept", "problem": {"subject": "' + CANARY)


def holding_the_canary(directory: Path) -> list[str]:
    found = []
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
            if CANARY.encode() in content:
                found.append(path.relative_to(directory).as_posix())
    return found


def gonogo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in arguments])


def forget(made: Made) -> Result:
    return gonogo("forget", made.directory, "--yes")


def said(made: Made) -> object:
    """What a sign-off says beside its words."""
    sign = made.sign(ended=True)
    return (
        sign.status, sign.last, sign.figures, sign.outage and sign.outage.seconds, sign.data, sign.files, sign.dns,
        [(gate.number, gate.verdict, gate.started, gate.finished, gate.checks, gate.not_go, bool(gate.reason)) for gate in sign.gates],
        [(c.id, c.verdict, c.waiver, c.seconds, bool(c.problem)) for state in sign.states for c in state.checks],
        [(a.outcome, a.started, a.ended, bool(a.problem)) for step in sign.steps for a in step.attempts],
        sign.waivers and sign.waivers[0].terms, sign.unreadable,
    )  # fmt: skip


def test_nothing_of_production_is_left_and_the_evidence_says_what_it_said(made: Made) -> None:
    accepted(made)
    everything = {path.relative_to(made.directory).as_posix() for path in made.directory.rglob("*") if path.is_file()}
    for what, patterns in forgetting.ERASED.items():
        for pattern in patterns:
            assert any(forgetting._is_one(name, (pattern,)) for name in everything), f"{what}: {pattern} is not tried"
    texts = "".join((made.directory / name).read_text() for name in everything if name.startswith(("gates/0", "records/")) and name.endswith(".json"))  # fmt: skip
    texts += (made.directory / "journal.jsonl").read_text()
    fields = {field for names in forgetting.TEXTS.values() for field in names}
    assert [field for field in fields if f'"{field}":' not in texts] == [], "a field that is forgotten is not tried"
    assert len(holding_the_canary(made.directory)) > 50
    before = said(made)

    done = forget(made)
    assert done.exit_code == 0, done.output
    assert holding_the_canary(made.directory) == []
    assert CANARY not in done.output
    assert said(made) == before
    assert not [d for d in ("manifests", "digests", "proof", "scratch") if (made.directory / d).exists()]
    assert (made.directory / "plan.toml").read_text() == EXAMPLE_TEXT
    assert (made.directory / "checklist.md").exists()

    sign = made.sign(ended=True)
    assert (sign.status, sign.outage and sign.outage.lost) == (Status.NO_GO, [FORGOTTEN]), "users of a lab lost a write"
    (one,) = sign.forgotten
    assert (one.erased > 50, one.bytes > 1000, one.rewritten > 50, bool(one.who)) == (True, True, True, True)
    for name in ("signoff.html", "signoff.md"):
        page = (made.directory / name).read_text()
        assert "Forgotten" in page
        assert "forgotten]" in page
    (given_up,) = [e for e in Run(made.directory).entries() if e.kind == "writes_given_up"]
    assert given_up.written == {"public.jobs": "+3 rows", "public.users": FORGOTTEN}
    junit = next(made.directory.glob("gates/0001-*.xml")).read_text()
    for kept in ('name="check_rows[public.payslips]"', 'value="no-go"', 'time="0.5"', 'failures="1"', f"<failure message=\"{FORGOTTEN}\">"):  # fmt: skip
        assert kept in junit

    pages = gonogo("report", "--run", made.directory)
    assert pages.exit_code == 0, pages.output
    again = forget(made)
    assert (again.exit_code, "nothing is left" in again.output) == (0, True), again.output
    assert len([e for e in Run(made.directory).entries() if isinstance(e, Forgotten)]) == 1


def test_what_a_run_holds_is_shown_before_anything_is_asked(made: Made) -> None:
    accepted(made)
    (made.directory / "my notes.txt").write_text("hers")
    done = gonogo("forget", made.directory)
    assert done.exit_code == exits.FAILED
    for word in (
        "no terminal",
        "--yes answers it",
        *forgetting.ERASED,
        "not gonogo's, and left as it is: my notes.txt",
    ):
        assert word in done.output
    assert len(holding_the_canary(made.directory)) > 50
    assert not Run(made.directory).happened(Forgotten)


@pytest.mark.parametrize(("answer", "code"), [("yes", exits.FAILED), ("20261123T014000Z-smallpayroll", exits.DONE)])
def test_the_runs_name_is_typed(made: Made, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    accepted(made)
    monkeypatch.setattr(cli_run, "_require_terminal", lambda _: None)
    done = CliRunner().invoke(cli.app, ["forget", str(made.directory)], input=f"{answer}\n")
    assert done.exit_code == code, done.output
    assert bool(holding_the_canary(made.directory)) is (code == exits.FAILED)


KILLED = """
import os, signal, sys
from pathlib import Path
from fixtures.run import forgetting, run
from steps.cli import cli, forget
forget.RUNS = Path(sys.argv[1])
left = int(sys.argv[3])
def counted(work):
    def worked(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments, **options)
    return worked
Path.unlink, Path.replace = counted(Path.unlink), counted(Path.replace)
cli.app(["forget", sys.argv[2], "--yes"])
"""


@pytest.mark.parametrize("after", [0, 1, 2, 40, 150])
def test_one_that_was_killed_is_gone_on_with(made: Made, after: int) -> None:
    accepted(made)
    before = said(made)
    words = [sys.executable, "-c", KILLED, made.directory.parent, made.directory, str(after)]
    killed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    assert holding_the_canary(made.directory) != []
    done = forget(made)
    assert done.exit_code == 0, done.output
    assert holding_the_canary(made.directory) == []
    assert said(made) == before
    assert Run(made.directory).happened(Forgotten)


def test_pages_that_quote_are_made_anew_though_nothing_else_is_left(made: Made) -> None:
    accepted(made)
    assert forget(made).exit_code == 0
    (made.directory / "signoff.md").write_text(CANARY)
    assert "nothing is left" in forget(made).output
    assert holding_the_canary(made.directory) == []


def test_a_run_in_the_middle_of_a_night_is_refused(made: Made) -> None:
    made.walk("source_closed")
    (made.directory / "run.log").write_text(CANARY)
    done = forget(made)
    assert (done.exit_code, "closed production, and is not over" in done.output) == (exits.FAILED, True), done.output
    assert holding_the_canary(made.directory) == ["run.log"]


def test_the_record_of_closing_counts_as_the_journals_word_does(made: Made) -> None:
    made.walk("rehearsed")
    made.record(records.SourceClosure(logins={}, stopped_units=[], held_files=[], closed=made.now))
    assert "closed production, and is not over" in forget(made).output


def test_an_accepted_run_whose_back_out_began_is_refused(made: Made) -> None:
    made.walk()
    made.journal("back_out_started")
    made.journal("target_fenced")
    done = forget(made)
    assert (done.exit_code, "back-out began" in done.output) == (exits.FAILED, True), done.output


def test_a_run_that_was_backed_out_is_forgotten(made: Made) -> None:
    made.walk("source_closed")
    (made.directory / "run.log").write_text(CANARY)
    run = Run(made.directory)
    run.journal(BackedOut())
    assert "back-out began and is not finished" in forget(made).output
    run.journal(GateJudged(number=99, states=["backed_out"], occasion=Occasion.BY_HAND, verdict=Verdict.GO))
    assert forget(made).exit_code == 0
    assert holding_the_canary(made.directory) == []


def test_a_run_that_somebody_works_on_is_refused(made: Made) -> None:
    accepted(made)
    with plan_lock(made.directory.parent, load_plan(EXAMPLE).name, "Olga", "gonogo run"):
        done = forget(made)
    assert (done.exit_code, "Olga, gonogo run" in done.output) == (exits.LOCKED, True), done.output
    assert len(holding_the_canary(made.directory)) > 50


def test_what_a_back_out_needs_stays(made: Made) -> None:
    accepted(made)
    run = Run(made.directory)
    needed = (records.TargetFacts, records.SourceClosure, records.DnsBefore, records.FilesCopy)
    before = [run.records(kind) for kind in needed]
    tables = run.records(records.DataCopy).tables
    notices = records.Notices(
        deliveries={
            "ab": records.Delivery(channel="mail", audience="users", text="words", accepted=["all@example.test"])
        }
    )
    run.record(notices)
    assert forget(made).exit_code == 0
    assert [run.records(kind) for kind in needed] == before
    assert run.records(records.DataCopy).tables == tables
    assert run.records(records.Notices) == notices, "another run of the plan would tell everybody again"


def test_an_accepted_run_stays_accepted(made: Made) -> None:
    made.walk()
    (made.directory / "run.log").write_text(CANARY)
    before = made.sign()
    assert forget(made).exit_code == 0
    after = made.sign()
    assert (after.status, after.sentence, after.last) == (Status.ACCEPTED, before.sentence, before.last)
    assert (after.figures, after.not_done, after.steps) == (before.figures, before.not_done, before.steps)


def test_what_is_no_run_is_refused(made: Made, tmp_path: Path) -> None:
    accepted(made)
    elsewhere = tmp_path / "photos"
    elsewhere.mkdir()
    (elsewhere / "run.log").write_text("hers")
    for directory in (elsewhere, made.directory / "scratch", tmp_path / "nowhere", made.directory / "run.log"):
        done = gonogo("forget", directory, "--yes")
        assert (done.exit_code, "a run's directory" in done.output) == (exits.FAILED, True), done.output
    (made.directory / "format").write_text("1\n")
    assert "format 1" in forget(made).output
    (made.directory / "format").unlink()
    assert "format 1" in forget(made).output
    assert (elsewhere / "run.log").exists()
    assert (made.directory / "scratch" / "key").exists()


@pytest.mark.parametrize("name", ["gates/0001-x.readings", "manifests", "records/survey.json", "notes"])
def test_no_symbolic_link_is_followed(made: Made, tmp_path: Path, name: str) -> None:
    accepted(made)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ab.gz").write_text("hers")
    link = made.directory / name
    shutil.rmtree(link, ignore_errors=True)
    link.symlink_to(outside if name in ("manifests", "notes") else outside / "ab.gz")
    done = forget(made)
    assert (done.exit_code, "a symbolic link to" in done.output) == (exits.FAILED, True), done.output
    assert (outside / "ab.gz").read_text() == "hers"
    assert len(holding_the_canary(made.directory)) > 50
    link.unlink()
    assert forget(made).exit_code == 0


def test_evidence_that_cannot_be_read_is_named_and_nothing_erased(made: Made) -> None:
    accepted(made)
    damaged = next(made.directory.glob("gates/0003-*.json"))
    damaged.write_text("{")
    done = forget(made)
    assert (done.exit_code, damaged.name in done.output) == (exits.FAILED, True), done.output
    assert len(holding_the_canary(made.directory)) > 50


def test_a_forgotten_run_that_is_not_over_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cli, cli_run, cli_forget):
        monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
    plan_file = tmp_path / "plan.toml"
    plan_file.write_bytes(EXAMPLE.read_bytes())
    monkeypatch.setenv("PAYROLL_DB_PASSWORD", "a password")
    run = new_run(load_plan(plan_file), tmp_path / "runs")
    write_readings(run.gates / "0001-x.readings", [Reading(connection="source", question="who", answer=CANARY)])
    done = gonogo("forget", run.directory, "--yes")
    assert (done.exit_code, "`gonogo run` will not go on with it" in done.output) == (0, True), done.output
    for command in ("run", "rehearse"):
        done = gonogo(command, "--plan", plan_file, "--yes")
        assert (done.exit_code, "was forgotten" in done.output, "gonogo run --new" in done.output) == (1, True, True), (
            done.output
        )
    assert "it was forgotten" in gonogo("status", "--plan", plan_file).output
    done = gonogo("replay", run.directory, "1", "--plan", plan_file)
    assert (done.exit_code, "nothing is left to be judged" in done.output) == (exits.FAILED, True), done.output
    # A back-out of it is still possible, and a new run too.
    run.journal(SourceClosed())
    run.journal(TargetFenced())
    assert "back-out began" in gonogo("run", "--plan", plan_file, "--yes").output


def test_a_forgotten_run_shows_what_was_claimed_where_it_said_what_was_found(made: Made) -> None:
    made.walk("rehearsed")
    made.gate(["data_copied"], [failed(NO_GO)], NO_GO)
    stopped = made.sign(ended=True)
    assert CANARY in stopped.sentence
    assert forget(made).exit_code == 0
    sign = made.sign(ended=True)
    assert (sign.status, sign.sentence) == (Status.NO_GO, "No-go: Rows are equal.")
    assert (sign.troubles[0].where, sign.last) == (stopped.troubles[0].where, stopped.last)
    assert "gonogo run --new" in "".join(sign.next)
    made.journal("back_out_started")
    assert "gonogo run --new" not in "".join(made.sign(ended=True).next)
