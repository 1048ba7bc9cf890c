"""Transient units: their names, which of a run are still at work, and what is said while they work."""

import pytest

from fixtures.errors import StepFailed
from steps.tools import units
from steps.tools.units import Arriving
from tests.unit.steps import target as targets

run = targets.run


class Target:
    """A disk that fills, and then answers no more."""

    def __init__(self, *free: int) -> None:
        self.free = list(free)

    def check(self, argv: list[str], timeout: float = 60) -> str:
        if not self.free:
            raise StepFailed("`df` on target", expected="exit code 0", found="nothing", remedy="see that it is up")
        return f"    Avail\n{self.free.pop(0)}\n"


def test_a_copy_says_how_fast_the_target_fills_and_how_much_room_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(units, "EVERY", 0.0)
    arriving = Arriving(Target(9_000_000, 2_000_000), "/srv", "the database")  # type: ignore[arg-type]
    with caplog.at_level("INFO"):
        for _ in range(3):
            arriving()
    first, second, third = caplog.messages
    assert first.startswith("copying the database for 0 s: 0 MB more on the target's disk")
    assert "7 MB more on the target's disk" in second
    assert second.endswith("2 MB are free there")
    assert "the target does not say how much room it has left" in third


def test_between_two_lines_nothing_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Arriving(Target(), "/srv", "the database")()  # type: ignore[arg-type]
    assert not caplog.messages


def test_a_units_name_is_run_and_step(run):
    assert units.unit_name(run, "install_gems") == "gonogo-20260101T000000Z-smallpayroll-install_gems.service"


def test_units_of_a_run_that_are_still_at_work_are_known(run):
    shown = """gonogo-20260101T000000Z-smallpayroll-a.service loaded active running /usr/bin/bash
gonogo-20260101T000000Z-smallpayroll-b.service loaded active exited /usr/bin/bash x
gonogo-20260101T000000Z-smallpayroll-c.service loaded failed failed /usr/bin/bash
gonogo-20260101T000000Z-smallpayroll-d.service loaded deactivating stop-sigterm /usr/bin/bash
"""
    host = targets.Target(answers=[shown, ""])
    assert [unit[-9] for unit in units.running_units(host, run.name)] == ["a", "d"]
    assert host.asked[0][-1] == "gonogo-20260101T000000Z-smallpayroll-*.service"
    assert units.running_units(host, run.name) == []
