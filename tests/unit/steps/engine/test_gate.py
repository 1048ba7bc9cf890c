"""The judgement of a gate over its receipt, and own checks within it."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from fixtures.plan import Plan
from fixtures.run.evidence import Check, CheckResult, Occasion, Receipt, Verdict
from fixtures.run.run import Run
from steps.engine.gate import Gates, _Asked
from tests.unit import begun
from tests.unit.example import ROOT
from tests.unit.steps.engine import test_executor
from tests.unit.steps.engine.test_executor import calls, drive, journal

run = begun.run
project = test_executor.project
CHECK = Check(claim="It is so.", states=["runtime_installed"], function="check_a", file="checks/a", line=1)


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
    judged = gates._keep(
        _Asked(1, receipt, "0", datetime.now(UTC), datetime.now(UTC)), Occasion.BY_HAND, "", ["pre_cutover"]
    )
    assert {r.id for r in judged.results} == {"checks/a", "checks/b"}
    assert judged.verdict is Verdict.COULD_NOT_VERIFY


OWN = '''
from pathlib import Path
import pytest
from fixtures.facts.here import KeyFileFact
from fixtures.facts.wanted import here

@pytest.mark.dependencies_installed
def check_queue(second=here(KeyFileFact(Path("second")))):
    """The queue is empty."""
    BODY
'''


@pytest.fixture
def mine(project):
    """A migration with an own check of what its second step gives: a function that writes the file."""
    place = project / "my-checks"
    place.mkdir()
    with (project / "plan.toml").open("a") as plan:
        plan.write('\n[own]\nchecks = "my-checks"\n')
    write = lambda body, text=OWN: (place / "check_queue.py").write_text(text.replace("BODY", body))  # noqa: E731
    write("assert second.mode, 'not yet'")
    return write


def directory(project):
    (found,) = [path for path in (project / "runs").iterdir() if path.is_dir()]
    return found


def gates(project, states):
    results = [json.loads(path.read_text()) for path in sorted((directory(project) / "gates").glob("0*.json"))]
    return [one for one in results if one["states"] == states]


def test_an_own_check_that_fails_closes_the_gate_and_what_was_run_is_kept(project, mine):
    mine("assert False, 'three jobs wait'")
    code, out = drive(project)
    assert (code, "no-go: own/check_queue.py::check_queue" in out, "three jobs wait" in out) == (10, True, True), out
    assert calls(project) == ["first", "second"]
    mine("assert second.mode, 'not yet'")
    code, out = drive(project)
    assert code == 0, out
    red, *_, green = gates(project, ["dependencies_installed"])
    assert (red["verdict"], green["verdict"]) == ("no-go", "go")
    assert {result["file"] for result in green["results"]} == {"checks/check_all.py", "own/check_queue.py"}
    run = directory(project)
    for gate, word in ((red, "three jobs wait"), (green, "not yet")):
        assert word in (run / "own" / gate["own"] / "check_queue.py").read_text()
    assert {path.name for path in run.glob("own/*/*")} == {"check_queue.py"}
    noted = [entry["own"] for entry in journal(project) if entry["kind"] == "catalogue"]
    assert noted == [red["own"], green["own"]]

    shutil.copytree(ROOT / "reports", project / "reports")
    shutil.rmtree(project / "my-checks")
    subprocess.run([sys.executable, "-m", "reports", str(run), "--ended"], cwd=project, check=True)
    (row,) = json.loads((run / "signoff.json").read_text())["own"]
    assert row == {
        "file": "own/check_queue.py", "checks": 1, "verdict": "go", "not_asked": [], "copies": [green["own"]],
    }  # fmt: skip
    assert "own/check_queue.py" in (run / "signoff.html").read_text()
    assert 'file="own/check_queue.py"' in (run / "junit.xml").read_text()

    # Where they are not any more, an earlier gate is judged again by the copy, from what was read.
    (project / "second").unlink()
    again = [sys.executable, "-m", "steps", "replay", str(run), str(green["number"])]
    (project / "steps" / "__init__.py").write_text((ROOT / "steps" / "__init__.py").read_text())
    done = subprocess.run(again, cwd=project, capture_output=True, text=True, check=False)
    assert "4 of 4 checks judged again" in done.stdout, done.stdout + done.stderr
    assert "own/" not in done.stdout, "it says what it said"
    kept = run / "own" / green["own"] / "check_queue.py"
    kept.write_text(kept.read_text() + "#")
    done = subprocess.run(again, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, "not as it was written" in done.stdout) == (14, True), done.stdout + done.stderr


STEP = 'call("first")\n    file = HERE / "my-checks" / "check_queue.py"\n    '


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        ("file.write_text(file.read_text().replace('check_queue', 'check_other'))", "which this run has known"),
        ("file.unlink()", "nothing"),
        ("import shutil; shutil.rmtree(file.parent)", "No such file or directory"),
        ("file.write_text('def check_queue(:')", "own/check_queue.py, line 1"),
        ("file.write_text('import no_such_module\\n' + file.read_text())", "no_such_module"),
    ],
    ids=["renamed", "deleted", "directory gone", "syntax", "import"],
)
def test_an_own_check_that_vanishes_or_breaks_under_a_run_is_could_not_verify(project, mine, edit, word):
    text = (project / "driver.py").read_text()
    (project / "driver.py").write_text(text.replace('call("first")', STEP + edit, 1))
    code, out = drive(project)
    assert (code, word in out, "Traceback" in out) == (14, True, False), out
    (project / "driver.py").write_text(text)
    assert drive(project)[0] == 14, "nor is it forgotten by the next start"
    (project / "my-checks").mkdir(exist_ok=True)
    mine("pass")
    with (project / "plan.toml").open("a") as plan:
        plan.write('removed = ["own/check_queue.py::check_other"]\n')
    code, out = drive(project)
    assert code == 0, out


def test_an_own_check_that_catches_its_own_limit_is_stopped_with_its_gate(project, mine):
    for file, before, after in (
        ("fixtures/plugin/own.py", "SECONDS = 120.0", "SECONDS = 0.2"),
        ("fixtures/plugin/session.py", "NEWS_SECONDS = 5.0", "NEWS_SECONDS = 0.1"),
        ("steps/engine/suite.py", "SILENT_MINUTES = 15", "SILENT_MINUTES = 0.03"),
    ):
        text = (project / file).read_text()
        assert before in text
        (project / file).write_text(text.replace(before, after))
    mine(
        "import time\n    while True:\n        try:\n            time.sleep(60)\n        except Exception:\n            pass"
    )
    code, out = drive(project)
    assert (code, "pytest left no receipt" in out, "gonogo stopped this gate" in out) == (14, True, True), out
