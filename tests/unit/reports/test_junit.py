"""One JUnit file of a whole run."""

from junitparser import JUnitXml

from reports import junit, stored
from tests.unit.reports.runs import NO_GO, NO_ROW, UNSURE, WAIVED, Made, wrong


def merge(made: Made) -> JUnitXml:
    return junit.merged(stored.read(made.directory), made.sign())


def test_junit_counts_every_check_once_with_its_last_result(made: Made) -> None:
    made.walk("database_installed")
    made.gate(["data_on_mnt"], made.checks("data_on_mnt", NO_GO, NO_ROW), NO_GO)
    made.step("move_data_to_mount", "", "data_on_mnt", 2)
    document = merge(made)
    assert (document.failures, document.errors) == (0, 0)
    names = [(case.classname, case.name) for suite in document for case in suite]
    assert len(names) == len(set(names))
    suites = {suite.name: suite for suite in document}
    assert ("checks.check_data_on_mnt", "check_it_is_there") in names
    case = next(iter(suites["data_on_mnt"]))
    assert (case._elem.get("file"), case._elem.get("line")) == ("checks/check_data_on_mnt.py", "17")
    noted = {p.name: p.value for p in suites["gates"].properties()}
    assert next(iter(suites["gates"]._elem)).tag == "properties"
    number = next(g.number for g in made.sign().gates if g.verdict is NO_GO and not g.before)
    assert noted == {f"gate {number:04d} data_on_mnt": "no-go; checks/check_data_on_mnt.py::check_it_lasts"}


def test_junit_is_red_when_the_run_is(made: Made) -> None:
    made.walk("database_installed")
    made.journal("step_started", "move_data_to_mount")
    made.wait(1)
    made.gate(["data_on_mnt"], made.checks("data_on_mnt", NO_GO, NO_ROW), NO_GO)
    made.journal("step_failed", "move_data_to_mount", problem=wrong("no-go"))
    made.gate(["ssh_ready"], made.checks("ssh_ready", UNSURE, wrong("away")), UNSURE, "1 of 3 checks did not run")
    made.gate(["data_mounted"], made.checks("data_mounted", WAIVED, wrong("it")), WAIVED)
    document = merge(made)
    assert (document.failures, document.errors, document.skipped) == (1, 3, 1)
    failed = next(case for suite in document for case in suite if case.is_failure)
    assert str(NO_ROW) in failed.result[0].text
