"""The executor with steps that only touch files: order, gates, resume, opening, and gates that were tampered with."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from fixtures.errors import Refused
from fixtures.plan import Plan
from fixtures.run.evidence import Verdict
from fixtures.run.journal import (
    Accepted,
    BackedOut,
    BackOutStarted,
    Forgotten,
    SourceClosed,
    SourceReopened,
    StepFinished,
    TargetFenced,
    TargetOpened,
    TargetUnfenced,
    Voided,
)
from fixtures.run.run import Run
from fixtures.run.sums import note
from steps.engine import executor, guards
from steps.engine.executor import (
    Executor,
    choose_run,
    ended,
    finished_steps,
    going_back,
    minutes_left,
    void,
)
from steps.engine.progress import Progress
from steps.step import Step, step
from tests.unit import begun
from tests.unit.begun import gate_entry
from tests.unit.example import PLAN, ROOT
from tests.unit.steps.target import SURVEY

run = begun.run
DRIVER = '''
import os, signal, sys
from pathlib import Path
from fixtures.errors import GonogoError
from fixtures.plan import load_plan
from fixtures.run.journal import SourceClosed, TargetOpened
from steps.engine.executor import Executor, GateClosed, choose_run, describe
from steps.cli.exits import exit_code
from steps.engine.lock import plan_lock
from steps.engine.progress import Progress
from steps.step import step

HERE = Path(__file__).parent
LOG = HERE / "calls.log"

def call(name):
    with LOG.open("a") as file:
        file.write(name + "\\n")
    if os.environ.get("KILL_IN") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("IDLE") != name:
        (HERE / name).touch()

@step(needs=[], gives=["runtime_installed"], harmless=True)
def first():
    """The first step."""
    call("first")

@step(needs=["runtime_installed"], gives=["dependencies_installed"])
def second():
    """The second step."""
    call("second")
    if os.environ.get("FAIL"):
        raise RuntimeError("a bug")

@step(needs=["dependencies_installed"], gives=["target_open"])
def third(run):
    """The third step."""
    run.journal(TargetOpened())
    call("third")

@step(needs=["target_open"], gives=["dns_changed"], destroys=os.environ.get("DESTROYS", ""))
def fourth():
    """The fourth step."""
    call("fourth")

def main():
    plan = load_plan(HERE / "plan.toml")
    try:
        with plan_lock(HERE / "runs", plan.name, "test", "driver"):
            run, resumed = choose_run(plan, HERE / "runs", [first, second, third, fourth], anew="--new" in sys.argv)
            executor = Executor(plan, run, Progress(), [first, second, third, fourth], after_gate=lambda: None)
            executor.go(os.environ.get("UNTIL"), lambda step: True)
            print("reached the end")
    except GonogoError as error:
        print(error)
        for check in getattr(error, "bad", []):
            print(describe(check))
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
'''
CHECKS = '''
"""Each state is a file."""
from pathlib import Path
import pytest
HERE = Path(__file__).parent.parent

@pytest.mark.runtime_installed
def check_first():
    """The first step ran."""
    assert (HERE / "first").exists(), "first is missing"

@pytest.mark.dependencies_installed
def check_second():
    """The second step ran."""
    assert (HERE / "second").exists(), "second is missing"

@pytest.mark.dependencies_installed
def check_second_again():
    """The second step ran, again."""
    assert (HERE / "second").exists(), "second is missing"

@pytest.mark.target_open
def check_third():
    """The third step ran."""
    assert (HERE / "third").exists(), "third is missing"

@pytest.mark.dns_changed
def check_fourth():
    """The fourth step ran."""
    assert (HERE / "fourth").exists(), "fourth is missing"
'''


@pytest.fixture
def project(tmp_path):
    for package in ("fixtures", "steps"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("lab", "__pycache__"))
    (tmp_path / "steps" / "__init__.py").write_text("")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "docs" / "plan.example.toml", tmp_path / "plan.toml")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "check_all.py").write_text(CHECKS)
    (tmp_path / "driver.py").write_text(DRIVER)
    return tmp_path


def drive(project, *arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GONOGO"))}
    done = subprocess.run(
        [sys.executable, "driver.py", *arguments], cwd=project, env=clean | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def calls(project):
    log = project / "calls.log"
    return log.read_text().split() if log.exists() else []


def journal(project):
    (run,) = sorted(p for p in (project / "runs").iterdir() if p.is_dir())
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def test_steps_run_in_order_each_between_its_gates(project):
    code, out = drive(project)
    assert code == 0, out
    assert calls(project) == ["first", "second", "third", "fourth"]
    kinds = [e["kind"] for e in journal(project) if e["kind"] in ("gate", "step_started", "step_finished")]
    assert kinds[:4] == ["gate", "step_started", "gate", "step_finished"]
    gates = [e for e in journal(project) if e["kind"] == "gate"]
    assert [g["verdict"] for g in gates if g["states"] == ["dependencies_installed"]] == ["no-go", "go", "go"]


def test_junit_and_results_are_kept_for_each_gate(project):
    drive(project)
    (run,) = [p for p in (project / "runs").iterdir() if p.is_dir()]
    assert len(list((run / "gates").glob("[0-9]*.xml"))) == 5, "before the first step, and once after each"
    assert len(list((run / "gates").glob("[0-9]*.json"))) == 11, "what each gave, before and after, and three needed"
    assert not list((run / "gates").glob("*receipt*"))


@pytest.mark.parametrize("step", ["first", "second", "third", "fourth"])
def test_a_killed_executor_goes_on_where_it_was(project, step):
    code, _ = drive(project, KILL_IN=step)
    assert code == -signal.SIGKILL
    code, out = drive(project)
    assert code == 0, out
    expected = ["first", "second", "third", "fourth"]
    expected.insert(expected.index(step), step)
    assert calls(project) == expected


def test_a_voided_step_runs_again_and_no_other(tmp_path):
    run = Run(tmp_path)
    first, second = (Step(name, name, (), (), lambda: None, harmless=False, destroys="") for name in ("one", "two"))
    for one in (first, second):
        run.journal(StepFinished(step=one.name))
    void(run, [first])
    assert set(finished_steps(run)) == {"two"}
    void(run, [first])
    assert [e.step for e in run.entries() if isinstance(e, Voided)] == ["one"]


def test_a_finished_run_does_nothing_again(project):
    drive(project)
    assert drive(project)[0] == 0
    assert calls(project) == ["first", "second", "third", "fourth"]
    assert drive(project)[0] == 0, "and read again"


def test_a_harmless_step_that_is_already_true_is_skipped(project):
    (project / "first").touch()
    code, out = drive(project)
    assert (code, "already true" in out) == (0, True), out
    assert calls(project) == ["second", "third", "fourth"]


def test_a_step_with_effects_runs_though_its_gate_is_go(project):
    (project / "second").touch()
    drive(project)
    assert "second" in calls(project)


def test_what_a_step_gave_and_what_the_next_one_needs_is_asked_in_one_process(project):
    code, out = drive(project)
    assert code == 0, out
    gates = [e for e in journal(project) if e["kind"] == "gate"]
    assert [(g["number"], g["occasion"].partition(" ")[0], g["step"]) for g in gates if g["number"] < 3] == [
        (1, "before", "first"), (2, "after", "first"), (2, "before", "second"), (2, "before", "second"),
    ]  # fmt: skip
    (run,) = [p for p in (project / "runs").iterdir() if p.is_dir()]
    for state in ("runtime_installed", "dependencies_installed"):
        told = [json.loads(path.read_text()) for path in sorted((run / "gates").glob("0002-*.json"))]
        found = [gate for gate in told if gate["states"] == [state]]
        assert found
        assert len({json.dumps(gate["results"]) for gate in found}) == 1, "the same answers"


def test_after_a_gate_that_closes_the_next_step_is_asked_about_anew(project):
    body = DRIVER.replace(
        'def second():\n    """The second step."""\n    call("second")', 'def second():\n    """The second step."""'
    )
    assert body != DRIVER
    (project / "driver.py").write_text(body)
    assert drive(project)[0] == 10
    assert [e["step"] for e in journal(project) if e["kind"] == "gate"] == [
        "first",
        "first",
        "second",
        "second",
        "second",
    ]
    (project / "driver.py").write_text(DRIVER)
    code, out = drive(project)
    assert code == 0, out


def test_once_production_is_closed_nothing_of_before_runs_again_and_what_was_copied_since_does(run, monkeypatch):
    monkeypatch.setattr(executor, "Gates", lambda *_: None)
    survey, install, close, copy, late = (
        Step(name, name, (), (state,), lambda: None, changes_checks=name == "survey")
        for name, state in (
            ("survey", "source_surveyed"), ("install", "dependencies_installed"), ("close", "source_closed"), ("copy", "final_data_copied"),
            ("late", "smoke_tested"),
        )
    )  # fmt: skip
    unheard = Step("unheard", "of an earlier release", (), ("rights_tried",), lambda: None)
    taken = Executor(PLAN, run, Progress(), [survey, install, unheard, close, copy, late], after_gate=lambda: None)
    states = ["source_surveyed", "dependencies_installed", "source_closed"]
    result = SimpleNamespace(results=[SimpleNamespace(outcome=Verdict.NO_GO, states=states)], covers=states)
    for one in (survey, install):
        run.journal(StepFinished(step=one.name))
    assert taken._void_red(result) == ["install"], "production is never surveyed anew on the way"
    assert not taken._is_too_late(unheard)
    for one in (install, close, copy):
        run.journal(StepFinished(step=one.name))
    run.journal(SourceClosed())
    assert taken._void_red(result) == ["close", "copy"]
    assert [taken._is_too_late(one) for one in (unheard, close)] == [True, False]


def test_a_rehearsal_is_made_anew_though_a_gate_had_voided_it(run):
    (one,) = (Step(name, name, (), (), lambda: None) for name in ("rehearse",))
    run.journal(StepFinished(step=one.name))
    run.journal(Voided(step=one.name, red=True))
    assert executor.was_red(run, one)
    void(run, [one])
    assert not executor.was_red(run, one)


def test_it_stops_at_the_state_asked_for(project):
    drive(project, UNTIL="dependencies_installed")
    assert calls(project) == ["first", "second"]


def test_a_gate_that_closes_stops_and_names_the_check(project):
    drive(project, UNTIL="dependencies_installed")
    (project / "second").unlink()
    code, out = drive(project)
    assert code == 10, out
    assert "check_second" in out
    assert "second is missing" in out
    assert "runs second again" in out
    assert calls(project) == ["first", "second"]
    code, out = drive(project)
    assert code == 0, out
    assert calls(project) == ["first", "second", "second", "third", "fourth"]


def test_what_was_mended_by_hand_is_not_done_again(project):
    drive(project, UNTIL="dependencies_installed")
    (project / "second").unlink()
    assert drive(project)[0] == 10
    (project / "second").touch()
    code, out = drive(project)
    assert (code, "second  already true" in out) == (0, True), out
    assert calls(project) == ["first", "second", "third", "fourth"]


def test_reached_means_that_the_gate_says_so_now(project):
    drive(project, UNTIL="dependencies_installed")
    (project / "second").unlink()
    code, out = drive(project, UNTIL="dependencies_installed", IDLE="second")
    assert (code, "the gate after second: dependencies_installed" in out) == (10, True), out
    code, out = drive(project, UNTIL="dependencies_installed")
    assert code == 0, out
    assert calls(project) == ["first", "second", "second", "second"]
    (project / "checks" / "check_all.py").write_text(
        CHECKS.replace(
            '    assert (HERE / "second")', '    pytest.skip("the host is away")\n    assert (HERE / "second")'
        )
    )
    code, out = drive(project, UNTIL="dependencies_installed")
    assert (code, "the gate of dependencies_installed" in out) == (14, True), out
    assert len(calls(project)) == 4, "nothing is done again for what could not be verified"


def test_what_a_step_has_begun_to_change_is_not_asked_for_as_it_was_before(project):
    body = (
        DRIVER.replace(
            '@step(needs=["runtime_installed"], gives=["dependencies_installed"])',
            '@step(needs=["runtime_installed"], gives=["dependencies_installed"], resumes=[], once=SourceClosed)',
        )
        .replace("def second():", "def second(run):")
        .replace(
            'call("second")',
            'os.environ.get("REFUSE") and sys.exit(1)\n    run.journal(SourceClosed())\n    (HERE / "first").unlink(missing_ok=True)\n    call("second")',
        )
    )
    (project / "driver.py").write_text(body)
    drive(project, REFUSE="1")
    (project / "first").unlink()
    code, out = drive(project)
    assert (code, "first is missing" in out) == (10, True), "it has begun, but changed nothing yet"
    (project / "first").touch()
    assert drive(project, KILL_IN="second")[0] == -signal.SIGKILL
    code, out = drive(project)
    assert code == 0, out
    assert calls(project) == ["first", "second", "second", "third", "fourth"]


def test_once_the_target_is_open_nothing_of_before_is_to_run_again(run, monkeypatch):
    monkeypatch.setattr(executor, "Gates", lambda *_: None)
    install, opens, changes = (
        Step(name, name, (), (state,), lambda: None)
        for name, state in (("install", "dependencies_installed"), ("open", "target_open"), ("change", "dns_changed"))
    )
    taken = Executor(PLAN, run, Progress(), [install, opens, changes], after_gate=lambda: None)
    states = ["dependencies_installed", "dns_changed"]

    def result(verdict):
        return SimpleNamespace(results=[SimpleNamespace(outcome=verdict, states=states)], covers=states)

    for one in (install, opens, changes):
        run.journal(StepFinished(step=one.name))
    assert taken._void_red(result(Verdict.COULD_NOT_VERIFY)) == []
    run.journal(TargetOpened())
    assert taken._void_red(result(Verdict.NO_GO)) == ["change"]
    assert set(finished_steps(run)) == {"install", "open"}


def test_a_bug_in_a_step_is_a_clear_error_and_in_the_journal(project):
    code, out = drive(project, FAIL="1")
    assert (code, "RuntimeError: a bug" in out, "Traceback" in out) == (1, True, False), out
    assert [e["step"] for e in journal(project) if e["kind"] == "step_failed"] == ["second"]


def test_nothing_destroys_after_opening(project):
    drive(project, UNTIL="target_open")
    code, out = drive(project, DESTROYS="the database")
    assert (code, "never to run once the target was opened" in out) == (1, True), out
    assert "fourth" not in calls(project)


@pytest.mark.parametrize(
    "options", ["--collect-only", "-k nothing", "--deselect=checks/check_all.py::check_second_again", "-m not_a_state"]
)
def test_the_environment_cannot_open_a_gate(project, options):
    code, out = drive(project, PYTEST_ADDOPTS=options)
    assert code == 0, out  # the executor does not pass it on
    assert calls(project) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    "tampered",
    [
        CHECKS.replace('"first is missing"', '"first is missing"\n    pytest.skip("never mind")'),
        CHECKS.replace("@pytest.mark.runtime_installed\n", "@pytest.mark.runtime_installed\n@pytest.mark.skip\n"),
        CHECKS.replace("@pytest.mark.runtime_installed\n", "@pytest.mark.runtime_installed\n@pytest.mark.xfail\n"),
        CHECKS.replace("@pytest.mark.runtime_installed\n", "@pytest.mark.data_copied\n"),
        CHECKS.replace("def check_first", "def helper_first"),
    ],
    ids=["skips", "marked skip", "marked xfail", "emptied", "renamed away"],
)
def test_a_gate_that_proves_nothing_is_never_go(project, tampered):
    (project / "checks" / "check_all.py").write_text(tampered)
    code, out = drive(project)
    assert code == 14, out
    assert "second" not in calls(project)


def test_checks_edited_under_a_run_are_noticed(project):
    body = DRIVER.replace(
        'call("first")',
        """call("first")
    checks = HERE / "checks" / "check_all.py"
    checks.write_text(checks.read_text().replace("def check_second_again", "def helper"))""",
    )
    (project / "driver.py").write_text(body)
    code, out = drive(project)
    assert (code, "did not run" in out) == (14, True), out


ALONE = (
    CHECKS
    + """
import os
BEFORE = []

@pytest.mark.dependencies_installed
@pytest.mark.target_open
def check_alone():
    \"\"\"Nothing is left here of another gate.\"\"\"
    BEFORE.append(1)
    with (HERE / "pids").open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\\n")
    assert BEFORE == [1], "an earlier gate left something"
"""
)


def test_each_gate_is_a_process_of_its_own_with_nothing_left_of_another_and_all_have_one_parent(project):
    (project / "checks" / "check_all.py").write_text(ALONE)
    code, out = drive(project)
    assert code == 0, out
    pids, parents = zip(*(line.split() for line in (project / "pids").read_text().splitlines()), strict=True)
    assert len(set(pids)) == len(pids) == 3
    assert len(set(parents)) == 1


def test_a_gate_says_what_pytest_says_by_hand(project):
    drive(project, UNTIL="target_open")
    (run,) = [p for p in (project / "runs").iterdir() if p.is_dir()]
    (project / "second").unlink()
    for states in (["dependencies_installed"], ["runtime_installed", "target_open"]):
        code = f"""
import json
from pathlib import Path
from fixtures.plan import load_plan
from fixtures.run.run import Run
from steps.engine.gate import Gates
gates = Gates(load_plan(Path("plan.toml")), Run(Path({str(run)!r})))
gates.collect()
print(gates.ask({states!r}).model_dump_json())
"""
        gate = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
        by_hand = subprocess.run(
            [sys.executable, "-m", "pytest", "checks/", "-m", " or ".join(states), f"--run={run}", "--receipt=receipt"],
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        judged, receipt = json.loads(gate.stdout), json.loads((project / "receipt").read_text())
        assert f"{' or '.join(states)}: {judged['verdict']}" in by_hand.stdout
        for result in [*judged["results"], *receipt["results"]]:
            del result["seconds"]
        assert judged["results"] == receipt["results"]


def test_a_gate_whose_parent_is_killed_could_not_verify(project):
    kill = "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(2)"
    body = CHECKS.replace('    assert (HERE / "first")', f'    {kill}\n    assert (HERE / "first")')
    (project / "checks" / "check_all.py").write_text(body)
    code, out = drive(project)
    assert (code, "pytest left no receipt" in out, "Traceback" in out) == (14, True, False), out


def test_two_executors_never_work_on_one_plan(project):
    drive(project, UNTIL="runtime_installed")
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time\nfrom pathlib import Path\nfrom steps.engine.lock import plan_lock\n"
         "with plan_lock(Path('runs'), 'smallpayroll', 'Ada', 'a test'):\n    print('held', flush=True)\n    time.sleep(60)"],
        cwd=project, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    try:
        code, out = drive(project)
        assert (code, "Ada, a test" in out) == (11, True), out
    finally:
        holder.kill()
        holder.wait()
    assert drive(project)[0] == 0


def test_a_journal_cut_short_by_a_crash_is_read(project):
    drive(project, UNTIL="dependencies_installed")
    (run,) = [p for p in (project / "runs").iterdir() if p.is_dir()]
    whole = '{"at": "2026-01-01T00:00:00Z", "kind": "resumed"}'
    note(run, "journal.jsonl", whole.encode())
    with (run / "journal.jsonl").open("a") as file:
        file.write(whole[:22])
    assert drive(project)[0] == 0
    assert calls(project) == ["first", "second", "third", "fourth"]
    assert drive(project)[0] == 0, "and read again"


WAIVERS = """
[[waiver]]
check = "checks/check_all.py::check_first"
reason = "the vendor answers on Monday"
who = "Ada"
until = {until}
"""


def test_each_use_of_a_waiver_is_in_the_journal_and_skips_no_step(project):
    (project / "checks" / "check_all.py").write_text(CHECKS.replace('(HERE / "first").exists()', "False"))
    (project / "plan.waivers.toml").write_text(WAIVERS.format(until="2099-01-01"))
    code, out = drive(project, UNTIL="runtime_installed")
    assert (code, calls(project)) == (0, ["first"]), out
    (used,) = [e for e in journal(project) if e["kind"] == "waiver_used"]
    assert used["check"] == "checks/check_all.py::check_first"
    assert used["waiver"] == {"who": "Ada", "until": "2099-01-01", "reason": "the vendor answers on Monday"}


def test_an_expired_waiver_is_named_by_the_executor(project):
    (project / "plan.waivers.toml").write_text(WAIVERS.format(until="2001-01-01"))
    code, out = drive(project)
    assert (code, "until 2001-01-01, by Ada" in out, "Traceback" in out) == (14, True, False), out


@pytest.mark.parametrize("end", [Accepted, BackedOut])
def test_an_end_is_one_once_its_gate_said_so(run: Run, end: type[Accepted | BackedOut]) -> None:
    run.journal(gate_entry(end().kind, "go"))
    run.journal(end())
    assert not ended(run, end), "the gate was asked before"
    run.journal(gate_entry(end().kind, "no-go"))
    assert not ended(run, end)
    run.journal(gate_entry(end().kind, "waived"))
    assert ended(run, end)


def test_a_run_whose_last_gate_is_missing_goes_on(plan: Plan, run: Run) -> None:
    run.journal(Accepted())
    assert choose_run(plan, run.directory.parent, [])[0].name == run.name
    run.journal(gate_entry("accepted", "go"))
    with pytest.raises(Refused, match="was accepted"):
        choose_run(plan, run.directory.parent, [])


def older(run: Run) -> Run:
    """The run as if it had begun earlier: of one second there is one run."""
    return Run(run.directory.rename(run.directory.with_name(f"20260101T000000Z-{run.name.partition('-')[2]}")))


@pytest.mark.parametrize("end", [Accepted, Forgotten])
def test_what_is_over_or_forgotten_has_another_run_begin_by_the_command_that_is_named(
    plan: Plan, run: Run, end
) -> None:
    run.journal(Accepted() if end is Accepted else Forgotten(who="a", erased=1, bytes=1, rewritten=0))
    run.journal(gate_entry("accepted", "go" if end is Accepted else "no-go"))
    old = older(run)
    with pytest.raises(Refused, match="gonogo run --new"):
        choose_run(plan, old.directory.parent, [])
    again, resumed = choose_run(plan, old.directory.parent, [], anew=True)
    assert (again.directory == old.directory, resumed) == (False, False)


def test_where_production_is_closed_both_commands_that_are_named_lead_on(plan: Plan, run: Run) -> None:
    run.journal(SourceClosed())
    run = older(run)
    with pytest.raises(Refused, match="go on with `gonogo run`, or reopen production with `gonogo back-out`"):
        choose_run(plan, run.directory.parent, [], anew=True)
    chosen, resumed = choose_run(plan, run.directory.parent, [])
    assert (chosen.directory, resumed) == (run.directory, True)
    run.journal(TargetFenced())
    with pytest.raises(Refused, match="finish it: `gonogo back-out`; then `gonogo run` begins anew"):
        choose_run(plan, run.directory.parent, [])
    run.journal(SourceReopened())
    run.journal(BackedOut())
    run.journal(gate_entry("backed_out", "go"))
    again, resumed = choose_run(plan, run.directory.parent, [])
    assert (again.directory == run.directory, resumed) == (False, False)


def test_a_run_of_another_format_is_refused_and_keeps_no_new_run_from_beginning(plan: Plan, run: Run) -> None:
    run.journal(SourceClosed())
    old = run.directory.rename(run.directory.with_name(f"20260101T000000Z-{plan.name}"))
    (old / "format").write_text("1")
    with pytest.raises(Refused, match="format 2"):
        choose_run(plan, old.parent, [])
    again, resumed = choose_run(plan, old.parent, [], anew=True)
    assert (again.readable, resumed) == (True, False)


def test_a_run_that_is_going_back_does_not_go_forward(plan: Plan, run: Run) -> None:
    run.journal(BackOutStarted())
    assert not going_back(run), "nothing was changed yet"
    run.journal(TargetFenced())
    with pytest.raises(Refused, match="not finished"):
        choose_run(plan, run.directory.parent, [])
    run.journal(TargetUnfenced())
    assert not going_back(run), "it was called off"


def test_a_step_whose_key_was_edited_runs_again_though_its_gate_is_go_and_no_other_does(project):
    assert drive(project, FAIL="1")[0] == 1
    plan = project / "plan.toml"
    plan.write_text(plan.read_text().replace('"ruby-dev", ', ""))
    code, out = drive(project)
    assert code == 0, out
    assert calls(project) == ["first", "second", "first", "second", "third", "fourth"]


def test_another_plan_of_the_same_name_is_no_plan_of_this_run(project):
    assert drive(project, UNTIL="target_open")[0] == 0
    (run,) = (project / "runs").glob("2*")
    before = (run / "journal.jsonl").read_text()
    Run(run).record(SURVEY)
    plan = project / "plan.toml"
    plan.write_text(plan.read_text().replace('address = "production.smallpayroll.test"', 'address = "elsewhere.test"'))
    code, out = drive(project)
    assert (code, "source.address: it says who production is" in out) == (12, True), out
    assert (run / "journal.jsonl").read_text() == before
    code, out = drive(project, "--new", UNTIL="dependencies_installed")
    assert code == 0, out


def test_gates_judge_by_the_plan_that_the_run_goes_by(project):
    (project / "checks" / "check_all.py").write_text(
        CHECKS.replace("def check_first():", "def check_first(plan):").replace(
            '"first is missing"', '"first is missing"\n    assert plan.cutover.drain_seconds == 30'
        )
    )
    driver = project / "driver.py"
    edited = 'PLAN = HERE / "plan.toml"; PLAN.write_text(PLAN.read_text().replace("drain_seconds = 30", "drain_seconds = 31"))'
    driver.write_text(DRIVER.replace('    call("first")', f'    call("first")\n    {edited}'))
    code, out = drive(project)
    assert code == 0, out


def test_no_budget_runs_once_production_is_open_again(plan: Plan, run: Run) -> None:
    run.journal(SourceClosed(at=datetime(2026, 1, 1, tzinfo=UTC)))
    left = minutes_left(plan, run)
    assert left is not None
    assert left < 0
    run.journal(SourceReopened())
    assert minutes_left(plan, run) is None


SECRET = "hunter2/Vt7mQ+2xLr9"

LEAKY_DRIVER = DRIVER.replace(
    "HERE = Path", """import logging
from unittest.mock import Mock
from fixtures.plan.references import poor_secrets, refuse_poor_secrets
from fixtures.run.evidence import PASS, now
from fixtures.run.records import SourceClosure, Survey
from steps.back_out.back_out import back_out
from steps.engine.gate import Gates
NAME = os.environ["NAME"]
HERE = Path"""
).replace('call("second")', 'call("second")\n    logging.getLogger("steps.test").info("the server said %s", NAME)').replace(
    'RuntimeError("a bug")', "RuntimeError(f'a bug: postgresql://app:{NAME}@localhost/')"
).replace(
    """            executor = Executor(plan, run, Progress(),""",
    """            progress = Progress(run.directory / "run.log")
            progress.listen()
            if "back-out" in sys.argv:
                print(poor_secrets(plan))
                connections = Mock(plan=plan, run=run)
                connections.open_source.read_file.return_value = "m"  # its machine id, as it was surveyed
                connections.open_source.check.return_value = ""  # nothing is at work there
                connections.open_source_db.identity.return_value = "1"
                connections.open_source_db.rows = lambda query, given=(), **_: [(name,) for name in (given or [[]])[0]]
                back_out(connections, lambda text, word: True)
                print(connections.mock_calls, file=(HERE / "asked.log").open("w"))
                gates = Gates(plan, run)
                gates.collect()
                result = gates.ask(["backed_out"])
                print(*(describe(check) for check in result.results if check.outcome not in PASS))
                sys.exit(result.verdict not in PASS)
            refuse_poor_secrets(plan)
            if not run.has(Survey):
                run.record(Survey(
                    machine_id="m", system_identifier="1", server_version="15", encoding="UTF8", collation="C", ctype="C",
                    tables=["public.payslips", f"public.{NAME}"], sequences=[], extensions={},
                    release="/r", release_digest="", release_packages=[], environment=[], secret_files=[],
                    time_zone="UTC", files={}, units={}, unit_users={}, answers={}, ready_seconds={}, health={},
                    facts={NAME: NAME}))
                run.record(SourceClosure(logins={NAME: True}, stopped_units=[], held_files=[], closed=now()))
            executor = Executor(plan, run, progress,""",
)  # fmt: skip

LEAKY_CHECKS = (
    CHECKS
    + '''
import os
import warnings
from fixtures.errors import CouldNotVerify
from fixtures.run.records import SourceClosure, Survey

NAME = os.environ["NAME"]

def tell():
    print("printed", NAME)
    warnings.warn(f"warned {NAME}")

@pytest.mark.dependencies_installed
@pytest.mark.backed_out
def check_table(table, run):
    """Each table has arrived, and is called what it is called."""
    tell()
    assert table in ("public.payslips", f"public.{NAME}")
    assert run.records(Survey).facts == {NAME: NAME}
    assert run.records(SourceClosure).logins == {NAME: True}
    assert (HERE / "second").exists(), f"no table {NAME}"

@pytest.mark.dependencies_installed
def check_server():
    """The server answers."""
    tell()
    if not (HERE / "second").exists():
        raise CouldNotVerify("the server", expected=NAME, found=f"http://a:{NAME}@b/", remedy=NAME)

@pytest.mark.dependencies_installed
def check_fault():
    """A check may itself be wrong."""
    if not (HERE / "second").exists():
        raise KeyError(NAME)
'''
)


@pytest.fixture
def leaky(project):
    """A migration whose production has a table and a role by a name that everything speaks of."""
    (project / "driver.py").write_text(LEAKY_DRIVER)
    (project / "checks" / "check_all.py").write_text(LEAKY_CHECKS)
    shutil.copytree(ROOT / "reports", project / "reports")
    return project


def test_no_file_of_a_run_holds_a_secret_and_the_run_goes_on_and_back(leaky):
    told = []
    for arguments, environment, expected in (
        ([], {"FAIL": "1"}, 1),
        ([], {"UNTIL": "dependencies_installed"}, 0),
        (["back-out"], {}, 0),
    ):
        code, out = drive(leaky, *arguments, **environment, NAME=SECRET, PAYROLL_DB_PASSWORD=SECRET)
        told.append(out)
        assert code == expected, out
    assert SECRET in (leaky / "asked.log").read_text(), "the role that logs in again is called by its name"
    (run,) = [p for p in (leaky / "runs").iterdir() if p.is_dir()]
    subprocess.run([sys.executable, "-m", "reports", str(run), "--ended"], cwd=leaky, check=True)
    readings = list(run.rglob("*.readings"))
    assert len(readings) > 1
    files = {path: gzip.decompress(path.read_bytes()).decode() for path in readings}
    files |= {path: path.read_text() for path in run.rglob("*") if path.is_file() and path not in files}
    assert "hunter2" not in "".join(told)
    assert not [path.name for path, text in files.items() if "hunter2" in text]
    assert "the server said [secret]" in files[run / "run.log"]
    assert "⟦database.password⟧" in files[run / "records" / "survey.json"]
    assert run / "signoff.html" in files


def test_a_secret_equal_to_the_roles_name_stops_a_run_but_no_back_out(leaky):
    """The password may have been changed to it since production was closed."""
    code, out = drive(leaky, NAME="smallpayroll", PAYROLL_DB_PASSWORD="smallpayroll")
    assert (code, "database.password is a word of the plan" in out, calls(leaky)) == (1, True, []), out
    assert drive(leaky, NAME="smallpayroll", UNTIL="runtime_installed")[0] == 0
    (leaky / "second").touch()
    code, out = drive(leaky, "back-out", NAME="smallpayroll", PAYROLL_DB_PASSWORD="smallpayroll")
    assert (code, "database.password is a word of the plan" in out) == (0, True), out
    assert "smallpayroll" in (leaky / "asked.log").read_text()


# --- what is proven before a step -----------------------------------------------------------------------------------

GUARDS = ["account", "instance", "target", "source", "lock of source", "lock of target"]


@pytest.fixture
def order(run, monkeypatch):
    """What happens around a step, in order: each guard, each entry of the journal, the step itself."""
    happened = []
    written = run.journal
    monkeypatch.setattr(run, "journal", lambda entry: happened.append(entry.kind) or written(entry))
    return happened


def happened_before(order):
    order.append("asked before")
    return None, SimpleNamespace(verdict=Verdict.NO_GO, results=[], finished=datetime.now(UTC))


@pytest.fixture
def go(run, order, monkeypatch):
    """Take a run through steps whose gates open, `refusing` at one guard; `opened`: the target's own word."""

    def called(steps, *, refusing="", opened=False):
        def ask(what, answer=None):
            order.append(what)
            if what == refusing:
                raise Refused(what, expected="the right one", found="another", remedy="mend it")
            return answer

        def host(name):
            return SimpleNamespace(lock=lambda *_: ask(f"lock of {name}"), unlock=lambda: order.append(f"{name} freed"))

        connections = SimpleNamespace(
            plan=PLAN, run=run, cloud=SimpleNamespace(verify_account=lambda: ask("account")), close=lambda: None,
            target=host("target"), open_source=host("source"), source="source", open_source_db=None, target_db=None,
        )  # fmt: skip
        gates = SimpleNamespace(
            collect=lambda: order.append("collected"),
            before=lambda *_: happened_before(order),
            after=lambda *_: SimpleNamespace(verdict=Verdict.GO, results=[]),
        )
        monkeypatch.setattr(executor, "Connections", lambda *_, **__: connections)
        monkeypatch.setattr(executor, "Gates", lambda *_: gates)
        monkeypatch.setattr(guards, "prove_instance", lambda _: ask("instance"))
        monkeypatch.setattr(guards, "prove_target", lambda *_, **__: ask("target", opened))
        monkeypatch.setattr(guards, "prove_source", lambda *_: ask("source"))
        Executor(PLAN, run, Progress(), steps, after_gate=lambda: None).go(None, lambda _: True)

    return called


def everything(order, **declared):
    @step(needs=[], gives=["runtime_installed"], writes_to_source="a file", **declared)
    def a_step(target, target_db, open_source, open_source_db, cloud):
        """Be handed everything that may be changed."""
        order.append("the step")

    return a_step


def test_everything_is_proven_and_locked_before_the_step_begins_and_freed_after_it(go, order):
    go([everything(order)])
    begun, ended = order.index("step_started"), order.index("step_finished")
    assert order[:begun] == ["collected", "asked before", "target", "source", "lock of target", "lock of source"]
    assert order[begun:ended] == ["step_started", "the step", "source freed", "target freed"]


def test_a_gate_is_asked_again_where_the_operators_word_was_waited_for(go, order, monkeypatch):
    @step(needs=[], gives=["runtime_installed"])
    def reads(source, run):
        """Read production."""

    go([reads])
    assert order.count("asked before") == 1
    monkeypatch.setattr(executor, "STALE_SECONDS", -1.0)
    go([everything(order)])
    assert order.count("asked before") == 3


@pytest.mark.parametrize("refusing", GUARDS)
def test_whatever_refuses_the_step_does_not_begin_and_the_journal_says_so(go, order, refusing):
    @step(needs=[], gives=["runtime_installed"])
    def in_the_cloud(cloud):
        """Change something in the cloud."""
        order.append("the step")

    @step(needs=[], gives=["runtime_installed"], unproven="there is no marker yet")
    def first_login(cloud):
        """Log in for the first time."""
        order.append("the step")

    made = {"account": in_the_cloud, "instance": first_login}.get(refusing, everything(order))
    with pytest.raises(Refused, match=refusing):
        go([made], refusing=refusing)
    assert "the step" not in order
    assert "step_started" not in order
    assert order.count("step_failed") == 1
    assert [f"{name} freed" in order for name in ("source", "target")] == [False, refusing == "lock of source"]


def test_a_step_before_the_opening_is_refused_by_the_targets_own_word_and_one_after_it_is_not(go, order):
    @step(needs=[], gives=["target_open"])
    def open_it(target):
        """Open the target."""
        order.append("opened")

    @step(needs=[], gives=["dns_changed"])
    def afterwards(target):
        """Work on the open target."""
        order.append("afterwards")

    go([open_it, afterwards], opened=True)
    assert order.index("opened") < order.index("afterwards")
    with pytest.raises(Refused, match="the step a_step"):
        go([everything(order), open_it], opened=True)
    assert "the step" not in order


def test_a_step_that_destroys_is_refused_by_the_targets_own_word_wherever_it_stands(go, order):
    with pytest.raises(Refused, match="opened on the target"):
        go([everything(order, destroys="the database")], opened=True)
    assert "the step" not in order


def test_a_step_that_only_reads_has_nothing_to_prove(go, order):
    @step(needs=[], gives=["runtime_installed"])
    def reads(source, run):
        """Read production."""

    go([reads])
    assert order == ["collected", "asked before", "step_started", "step_finished"]


def test_the_checks_are_collected_anew_after_a_step_that_changes_which_there_are(go, order):
    @step(needs=[], gives=["source_surveyed"], changes_checks=True)
    def surveys(source):
        """Record what production is."""

    go([surveys])
    assert order == ["collected", "asked before", "step_started", "collected", "step_finished"]
