"""Tests that ask for `lab_tree` run inside a lab's process tree, so that nothing of theirs outlives them.

Pytest itself stays outside: such tests of a module run in one child, and its reports are shown as if they were ours.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fixtures.lab.hosts import tree

LIMIT = 1800  # seconds for the tests of one module: a hang, not a busy machine
_REPORTS = "GONOGO_TEST_REPORTS"
_seen = pytest.StashKey[dict[str, list[pytest.TestReport]]]()


@pytest.fixture(scope="session")
def lab_tree() -> None:
    assert tree.INSIDE in os.environ


class Recorder:
    """Inside the tree: writes down every report."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.config, self.path = config, path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with self.path.open("a") as file:
            file.write(json.dumps(data, default=str) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_seen] = {}
    if _REPORTS in os.environ and tree.INSIDE in os.environ:
        config.pluginmanager.register(Recorder(config, Path(os.environ[_REPORTS])))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if "lab_tree" not in getattr(item, "fixturenames", ()) or tree.INSIDE in os.environ:
        return None
    seen = item.config.stash[_seen]
    if item.nodeid not in seen:
        mates = [
            other.nodeid
            for other in item.session.items
            if other.path == item.path and "lab_tree" in getattr(other, "fixturenames", ())
        ]
        seen.update(_run_inside(item, mates))
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in seen[item.nodeid]:
        item.ihook.pytest_runtest_logreport(report=report)
    _leave(item, nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _leave(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Tear down here what tests before this one set up and the next one does not share.

    They left it standing for this test, as far as it is of the same folder or module, and pytest's own protocol, which
    would take it down now, did not run: the next test of another folder would be refused.
    """
    if item.session.shouldfail or item.session.shouldstop:
        nextitem = None
    call = pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(nextitem), "teardown")
    if call.excinfo is not None:
        item.ihook.pytest_runtest_logreport(report=pytest.TestReport.from_item_and_call(item, call))


def _run_inside(item: pytest.Item, nodes: list[str]) -> dict[str, list[pytest.TestReport]]:
    config = item.config
    found: dict[str, list[pytest.TestReport]] = {node: [] for node in nodes}
    with tempfile.NamedTemporaryFile("r") as reports:
        command = tree.command(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *nodes]
        )
        try:
            ended = subprocess.run(  # noqa: PLW1510 - the reports tell
                command,
                cwd=config.rootpath,
                env={**os.environ, _REPORTS: reports.name},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT,
            )
            how, output = f"the child ended with {ended.returncode}, this test did not", ended.stdout
        except subprocess.TimeoutExpired as late:
            how, output = f"the child was ended after {LIMIT} s, this test had not", late.stdout or b""
        for line in reports:
            report = config.hook.pytest_report_from_serializable(config=config, data=json.loads(line))
            found[report.nodeid].append(report)
    for node, its in found.items():
        if "teardown" not in [report.when for report in its]:
            its.append(
                pytest.TestReport(
                    node, item.location, {}, "failed", f"{how}\n{output.decode(errors='replace')}", "call"
                )
            )
    return found
