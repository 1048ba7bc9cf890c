"""A run of the example plan as the executor begins it."""

from pathlib import Path

import pytest

from fixtures.plan import Plan
from fixtures.run.evidence import Occasion, Verdict
from fixtures.run.journal import GateJudged
from fixtures.run.run import Run, new_run


@pytest.fixture
def run(plan: Plan, tmp_path: Path) -> Run:
    return new_run(plan, tmp_path / "runs")


def gate_entry(state: str, verdict: str) -> GateJudged:
    return GateJudged(number=1, states=[state], occasion=Occasion.AFTER, verdict=Verdict(verdict))
