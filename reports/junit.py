"""Merges the JUnit of all gates into one file that GitLab and Jenkins show right.

CI shows each case once and fails on every failure, so the file says how things stand at the end: a case for every check
with its last result, in a suite for its state; a case for every step; and a case for each gate that could not verify as a
whole. A check that was red before its step and is green after it is green. What was no-go on the way is not lost: it stays
as a property, under the gate's number, of the suite `gates`.
"""

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from fixtures.run.evidence import PASS, CheckResult, Problem, Verdict
from reports import history
from reports.models import Outcome, SignOff
from reports.stored import Stored
from reports.words import clean


def merged(stored: Stored, sign: SignOff) -> JUnitXml:
    """All gates of a run as one JUnit document of the family xunit1."""
    suites: dict[str, TestSuite] = {}
    for gate, result in history.last_results(stored):
        state = result.states[0] if result.states else "no state"
        if state not in suites:
            suites[state] = TestSuite(clean(state))
            suites[state].timestamp = gate.started.isoformat()
        suites[state].add_testcase(_check(result))
    document = JUnitXml("gonogo")
    for suite in (*suites.values(), _gates(sign), _steps(sign)):
        suite.update_statistics()  # type: ignore[no-untyped-call]  # junitparser's
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # junitparser's
    return document


def text(stored: Stored, sign: SignOff) -> str:
    """All gates of a run as the text of one JUnit file."""
    content: bytes = merged(stored, sign).tostring()  # type: ignore[no-untyped-call]  # junitparser's
    return content.decode()


def _check(result: CheckResult) -> TestCase:
    # pytest's own names, so that CI knows a case again from one run to the next.
    name = result.id.removeprefix(f"{result.file}::")
    case = TestCase(clean(name), clean(result.file.removesuffix(".py").replace("/", ".")), result.seconds)
    case._elem.set("file", clean(result.file))  # xunit1's, which the library lacks
    case._elem.set("line", str(result.line))
    kinds: dict[Verdict, type[Failure | Error | Skipped]] = {
        Verdict.NO_GO: Failure, Verdict.COULD_NOT_VERIFY: Error, Verdict.WAIVED: Skipped,
    }  # fmt: skip
    kind = kinds.get(result.outcome)
    if kind:
        problem = str(result.problem or result.outcome.value)
        terms = result.waiver
        if terms:
            problem = f"waived until {terms.until} by {terms.who}: {terms.reason}\n{problem}"
        text = clean(problem)
        shown = kind(f"{clean(result.claim)}: {text.partition(chr(10))[0]}", result.outcome.value)
        shown.text = text
        case.result = [shown]
    return case


def _gates(sign: SignOff) -> TestSuite:
    suite = TestSuite("gates")
    asked = [gate for gate in sign.gates if not gate.before]
    for gate in asked:  # properties come before cases, as the schemas of CI servers want it
        if gate.verdict not in PASS:
            reasons = "; ".join(part for part in (gate.verdict.value, gate.reason, *gate.not_go) if part)
            suite.add_property(f"gate {gate.number:04d} {'+'.join(gate.states)}", reasons)
    last = {tuple(gate.states): gate for gate in asked}
    for states, gate in last.items():
        case = TestCase(", ".join(states), "gates", (gate.finished - gate.started).total_seconds())
        if gate.reason:
            case.result = [Error(gate.reason, gate.verdict.value)]
        suite.add_testcase(case)
    return suite


def _steps(sign: SignOff) -> TestSuite:
    suite = TestSuite("steps")
    for step in sign.steps:
        case = TestCase(step.name, "steps", step.seconds)
        if step.outcome not in (Outcome.FINISHED, Outcome.ALREADY_TRUE):
            error = Error(f"{step.name}: {step.outcome.value}", step.outcome.value)
            problem = step.attempts[-1].problem
            error.text = str(Problem(**dict(problem))) if problem else ""
            case.result = [error]
        suite.add_testcase(case)
    return suite
