"""The lock of a host is freed only where the host is proven to be the one that is meant; a damaged run makes no claims."""

import json
import shutil
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from fixtures.errors import Refused
from fixtures.plan import digest
from fixtures.run.evidence import CheckResult, GateResult, Verdict, now
from fixtures.run.journal import RunStarted, SourceClosed, SourceShut
from fixtures.run.readings import Reading, write_readings
from fixtures.run.records import SourceClosure
from fixtures.run.run import new_run
from steps.cli import cli, exits
from steps.cli import run as cli_run
from steps.engine import guards
from tests.unit.begun import gate_entry
from tests.unit.example import EXAMPLE
from tests.unit.steps import target as targets
from tests.unit.steps.target import SURVEY

run = targets.run


class Host:
    """A host whose lock a dead run holds."""

    held = "another run"

    def __init__(self, machine):
        self.machine = machine

    def read_file(self, _path):
        return self.machine

    def lock_holder(self):
        return self.held

    def unlock(self):
        self.held = None


@pytest.fixture
def hosts(run, monkeypatch):
    made = SimpleNamespace(run=run, source=Host(SURVEY.machine_id), target=Host("target"), close=lambda: None)
    monkeypatch.setattr(cli, "RUNS", run.directory.parent)
    monkeypatch.setattr(cli, "Connections", lambda *_, **__: made)
    return made


def gonogo_lock(*arguments):
    return CliRunner().invoke(cli.app, ["lock", "--plan", str(EXAMPLE), *arguments])


def test_who_holds_the_locks_is_said_without_any_proof(hosts):
    done = gonogo_lock()
    assert done.exit_code == 0, done.output
    assert done.output.count("another run") == 2


def test_a_lock_is_freed_on_a_proven_host_alone(hosts, monkeypatch):
    stranger = Refused("the host we are logged in to", expected="the target", found="another", remedy="look")

    def refuse(_):
        raise stranger

    monkeypatch.setattr(guards, "prove_target", refuse)
    assert gonogo_lock("--free", "target").exit_code != 0
    assert hosts.target.held
    monkeypatch.setattr(guards, "prove_target", lambda _: False)
    assert gonogo_lock("--free", "target").exit_code == 0
    assert not hosts.target.held
    assert gonogo_lock("--free", "source").exit_code == 0
    assert not hosts.source.held


def test_a_source_that_was_not_surveyed_keeps_its_lock(hosts):
    hosts.source.machine = "a stranger"
    done = gonogo_lock("--free", "source")
    assert done.exit_code != 0
    assert hosts.source.held


# --- a run's directory that was lost or changed -------------------------------------------------------------------------

KINDS = {
    "a line of the journal": ("journal.jsonl", b'"source_closed"'),
    "what closing changed": ("records/source_closure.json", b'"payroll"'),
    "the survey": ("records/survey.json", b"source-machine"),
    "the plan": ("plan.toml", b"outage_minutes"),
    "a gate": ("gates/0001-source_closed.json", b"a_check"),
    "readings": ("gates/0001-source_closed.readings", b""),
}
"""What it is -> its file, and the word in the middle of which one byte is changed."""
ACTED_BY = ("a line of the journal", "what closing changed", "the survey")


@pytest.fixture
def closed(plan, tmp_path, monkeypatch):
    """A run that has closed production, as it lies on this machine."""
    monkeypatch.setattr(cli, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(cli_run, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(cli_run, "refuse_poor_secrets", lambda _: None)
    monkeypatch.setattr(cli_run, "poor_secrets", lambda _: [])
    made = new_run(plan, tmp_path / "runs")
    made.journal(RunStarted(plan=digest(plan.path)))
    made.record(SURVEY)
    made.record(SourceClosure(logins={"payroll": True}, stopped_units=[], held_files=[], closed=now()))
    made.journal(SourceClosed(roles=["payroll"]))
    made.journal(SourceShut())
    judged = gate_entry("source_closed", "go")
    check = CheckResult(
        id="checks/check_a.py::a_check", claim="c", states=["source_closed"], function="a_check", file="checks/check_a.py", line=1,
        outcome=Verdict.GO,
    )  # fmt: skip
    result = GateResult(
        **judged.model_dump(exclude={"kind", "at"}),
        covers=["source_closed"],
        started=now(),
        finished=now(),
        results=[check],
    )
    made.keep("gates/0001-source_closed.json", result.model_dump_json())
    write_readings(
        made.gates / "0001-source_closed.readings", [Reading(connection="source", question="q", answer="a" * 99)]
    )
    made.journal(judged)
    return made


def gonogo(closed, command, *more):
    plan = closed.directory.parents[1] / "plan.toml"
    done = CliRunner().invoke(cli.app, [command, *map(str, more), *([] if "--run" in more else ["--plan", str(plan)])])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return done


def change(closed, kind):
    name, word = KINDS[kind]
    path = closed.directory / name
    content = bytearray(path.read_bytes())
    content[content.index(word) + len(word) // 2 if word else len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ACTED_BY)
@pytest.mark.parametrize("command", [["status"], ["run", "--yes"], ["rehearse", "--yes"], ["back-out", "--yes"]])
def test_nothing_is_said_or_done_by_a_run_that_was_changed(closed, kind, command):
    change(closed, kind)
    done = gonogo(closed, *command)
    assert done.exit_code == exits.COULD_NOT_VERIFY, done.output
    assert KINDS[kind][0] in done.output
    assert "gonogo back-out --from-source" in done.output
    for claim in ("production is closed", "production serves", "production is open", "next:"):
        assert claim not in done.output


@pytest.mark.parametrize("byte", [b"3", b"\xb2"])
@pytest.mark.parametrize("command", [["status"], ["run", "--yes"], ["back-out", "--yes"]])
def test_a_format_that_was_changed_is_no_reason_to_begin_anew_alone(closed, byte, command):
    (closed.directory / "format").write_bytes(byte + b"\n")
    done = gonogo(closed, *command)
    assert (done.exit_code, "gonogo back-out --from-source" in done.output) == (exits.FAILED, True), done.output


@pytest.mark.parametrize("lost", ["emptied", "deleted"])
@pytest.mark.parametrize("command", [["status"], ["back-out", "--yes"]])
def test_a_run_that_is_lost_is_no_open_production(closed, lost, command):
    shutil.rmtree(closed.directory)
    if lost == "emptied":
        closed.directory.mkdir()
    done = gonogo(closed, *command)
    assert "gonogo back-out --from-source" in done.output
    assert "production serves" not in done.output


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("command", ["run", "back-out"])
def test_a_copy_of_the_plan_that_was_changed_or_lost_is_put_back_and_holds_up_nobody(
    closed, monkeypatch, command, lost
):
    before = (closed.directory / "plan.toml").read_text()
    change(closed, "the plan")
    if lost:
        (closed.directory / "plan.toml").unlink()
    assert "production is closed" in gonogo(closed, "status").output, "journal and records say so, and are whole"
    reached = []
    monkeypatch.setattr(cli_run, "_advance", lambda *_, **__: reached.append("run"))
    monkeypatch.setattr(cli_run.way_back, "back_out", lambda *_: reached.append("back-out"))
    monkeypatch.setattr(cli_run.Gates, "collect", lambda _: pytest.exit("far enough"))
    done = CliRunner().invoke(cli.app, [command, "--yes", "--plan", str(closed.directory.parents[1] / "plan.toml")])
    assert reached == [command], done.output
    assert (closed.directory / "plan.toml").read_text() == before


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_report_names_what_was_changed_and_does_not_show_it(closed, kind):
    if kind:
        change(closed, kind)
    assert gonogo(closed, "report", "--run", closed.directory).exit_code == 0
    sign = json.loads((closed.directory / "signoff.json").read_text())
    named = [one for one in sign["unreadable"] if kind and one.startswith(KINDS[kind][0])]
    assert bool(named) == (kind not in (None, "readings")), sign["unreadable"]
    changed = kind == "a line of the journal"
    assert ("is closed since" in sign["standing"]) != changed, sign["standing"]
    assert (sign["status"] == "could-not-verify") == changed


@pytest.mark.parametrize("kind", ["a gate", "readings"])
def test_a_gate_that_was_changed_is_not_judged_again(closed, kind):
    change(closed, kind)
    done = gonogo(closed, "replay", closed.directory, "1")
    assert done.exit_code == exits.COULD_NOT_VERIFY, done.output
    assert KINDS[kind][0] in done.output


def test_own_checks_are_read_with_the_plan(tmp_path):
    plan, checks = tmp_path / "plan.toml", tmp_path / "my-checks"
    plan.write_text(f'{EXAMPLE.read_text()}\n[own]\nchecks = "my-checks"\n')
    told = CliRunner().invoke(cli.app, ["plan", "--plan", str(plan)])
    assert (told.exit_code, "No such file or directory" in told.output) == (exits.COULD_NOT_VERIFY, True), told.output
    checks.mkdir()
    (checks / "check_queue.py").write_text("def check_queue(): ...\n")
    told = CliRunner().invoke(cli.app, ["plan", "--plan", str(plan)])
    assert (told.exit_code, "own checks: check_queue.py" in told.output) == (0, True), told.output
