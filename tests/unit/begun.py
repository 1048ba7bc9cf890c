"""A run of the example plan as the executor begins it."""

from pathlib import Path

import pytest

from fixtures.plan import Plan
from fixtures.run.evidence import Entry
from fixtures.run.run import Run, new_run


@pytest.fixture
def run(plan: Plan, tmp_path: Path) -> Run:
    return new_run(plan, tmp_path / "runs")


def gate_entry(state: str, verdict: str) -> Entry:
    return Entry(kind="gate", detail={"number": 1, "states": [state], "verdict": verdict, "reason": ""})
