"""Merges the JUnit of all gates into one file that GitLab and Jenkins show right.

CI shows each case once and fails on every failure, so the file says how things stand at the end: a case for every check
with its last result, in a suite for its state; a case for every step; and a case for each gate that could not verify as a
whole. A check that was red before its step and is green after it is green. What was no-go on the way is not lost: it stays
as a property, under the gate's number, of the suite `gates`.
"""

import re
from pathlib import Path
from xml.etree.ElementTree import ParseError

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase, TestSuite

from fixtures.run.evidence import CheckResult, Verdict
from reports import history
from reports.models import Outcome, SignOff
from reports.stored import Stored
from reports.words import clean

_PASS = (Verdict.GO, Verdict.WAIVED)


def merged(stored: Stored, sign: SignOff) -> JUnitXml:
    """All gates of a run as one JUnit document of the family xunit1."""
    suites: dict[str, TestSuite] = {}
    lines: dict[Path, dict[tuple[str, str], str]] = {}
    for gate, result in history.last_words(stored):
        if gate.junit not in lines:
            lines[gate.junit] = _lines(gate.junit)
        state = result.states[0] if result.states else "no state"
        if state not in suites:
            suites[state] = _suite(state, gate.result.started.isoformat())
        suites[state].add_testcase(_check(result, lines[gate.junit]))
    document = JUnitXml("gonogo")
    for suite in (*suites.values(), _gates(sign), _steps(sign)):
        suite.update_statistics()  # type: ignore[no-untyped-call]  # junitparser's
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # junitparser's
    return document


def text(stored: Stored, sign: SignOff) -> str:
    """The same as text, with its XML declaration."""
    content: bytes = merged(stored, sign).tostring()  # type: ignore[no-untyped-call]  # junitparser's
    return content.decode()


def _suite(name: str, timestamp: str = "") -> TestSuite:
    suite = TestSuite(clean(name))
    if timestamp:
        suite.timestamp = timestamp
    return suite


def _names(node: str) -> tuple[str, str]:
    """Give pytest's classname and name for a node id."""
    node, bracket, parameter = node.partition("[")
    path, *rest = node.split("::")
    parts = [re.sub(r"\.py$", "", path).replace("/", "."), *rest]
    return ".".join(parts[:-1]), parts[-1] + bracket + parameter


def _check(result: CheckResult, lines: dict[tuple[str, str], str]) -> TestCase:
    classname, name = _names(result.id)
    case = TestCase(clean(name), clean(classname), result.seconds)
    case._elem.set("file", clean(result.id.partition("::")[0]))  # xunit1's, which the library lacks
    line = lines.get((classname, name))
    if line:
        case._elem.set("line", line)
    kinds: dict[Verdict, type[Failure | Error | Skipped]] = {
        Verdict.NO_GO: Failure, Verdict.COULD_NOT_VERIFY: Error, Verdict.WAIVED: Skipped,
    }  # fmt: skip
    kind = kinds.get(result.outcome)
    if kind:
        message = clean(result.message) or result.outcome.value
        said = kind(f"{clean(result.claim)}: {message.splitlines()[0]}", result.outcome.value)
        said.text = message
        case.result = [said]
    return case


def _lines(path: Path) -> dict[tuple[str, str], str]:
    """(classname, name) -> line of the check in its file, as far as pytest's own JUnit can be read."""
    try:
        document = JUnitXml.fromfile(str(path))
    except (OSError, ParseError, JUnitXmlError):
        return {}
    suites = document if isinstance(document, JUnitXml) else [document]
    cases = [case for suite in suites for case in suite if isinstance(case, TestCase)]
    return {
        (case.classname or "", case.name or ""): line
        for case in cases
        if (line := case._elem.get("line", "")).isdigit()
    }


def _gates(sign: SignOff) -> TestSuite:
    suite = _suite("gates")
    asked = [gate for gate in sign.gates if not gate.before]
    for gate in asked:  # properties come before cases, as the schemas of CI servers want it
        if gate.verdict not in _PASS:
            said = "; ".join(part for part in (gate.verdict.value, gate.reason, *gate.not_go) if part)
            suite.add_property(f"gate {gate.number:04d} {gate.label}", said)
    last = {tuple(gate.states): gate for gate in asked}
    for states, gate in last.items():
        case = TestCase(", ".join(states), "gates", (gate.finished - gate.started).total_seconds())
        if gate.reason:
            case.result = [Error(gate.reason, gate.verdict.value)]
        suite.add_testcase(case)
    return suite


def _steps(sign: SignOff) -> TestSuite:
    suite = _suite("steps")
    for step in sign.steps:
        case = TestCase(step.name, "steps", step.seconds)
        if step.outcome not in (Outcome.FINISHED, Outcome.ALREADY_TRUE):
            error = Error(f"{step.name}: {step.outcome.value}", step.outcome.value)
            error.text = step.attempts[-1].error
            case.result = [error]
        suite.add_testcase(case)
    return suite
