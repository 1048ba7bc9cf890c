"""`make prove-safety`: production is never hurt, and never left shut, a line each. Names as arguments choose items."""

import os

from tests.labsite import REHEARSED
from tests.prove import stops as campaign
from tests.prove.house import unit
from tests.prove.proof import main
from tests.unit.remedies import summary
from tests.unit.test_silence import KINDS

STOPS_NOW = "GONOGO_STOPS"
"""The environment variable that says how many stops a call adds at most."""


def stops() -> str:
    """Runs that are stopped in the cutover with users at work, and go on or back; they add up over several calls."""
    return campaign.stops(int(os.environ.get(STOPS_NOW, campaign.STOPS)))


def fence() -> str:
    """Roles, rules, sessions and subscriptions of real servers, closed and opened as they were; who writes beside them."""
    return unit(
        "tests/unit/steps/tools/test_fence.py",
        "tests/unit/steps/night/test_cutover.py",
        "tests/unit/checks/test_check_closed.py",
        "tests/unit/checks/test_check_writers.py",
    )


def from_source() -> str:
    """Production is opened by what lies there alone; a run that was lost or changed makes no claims."""
    return unit(
        "tests/unit/steps/back_out/test_from_source.py",
        "tests/unit/fixtures/run/test_sums.py",
        "tests/unit/steps/cli/test_cli.py",
    )


def damaged() -> str:
    """In a lab, at five points after the closing: the run's directory is deleted, emptied, or changed in one byte."""
    return unit("tests/campaign/test_from_source.py", timeout=3600)


def endings() -> str:
    """Signals, a lost terminal, a cut network, and what a run does afterwards."""
    return unit(
        "tests/unit/steps/cli/test_signals.py",
        "tests/unit/fixtures/run/test_standing.py",
        "tests/unit/steps/engine/test_executor.py",
    )


def silence() -> str:
    """Every kind of wait against a peer that says nothing, or a byte now and then; what is shown while something takes long."""
    shown = unit(
        "tests/unit/test_silence.py",
        "tests/unit/steps/engine/test_progress.py",
        "tests/unit/fixtures/plugin/test_gathering.py",
    )
    return f"{len(KINDS)} kinds of wait, each ends; {shown}"


def remedies() -> str:
    """Each message that names a command, with the test that ran it; those that nothing has tried are counted."""
    unit("tests/unit/test_remedies.py")
    return summary()


ITEMS = [
    ("stops: with users at work", stops),
    ("fence: everybody, on real servers", fence),
    ("from-source: the way back without the run", from_source),
    ("damaged: runs, at five points in a lab", damaged),
    ("endings: alike, and remedies that are true", endings),
    ("silence: every kind of wait ends", silence),
    ("remedies: messages that name a command", remedies),
]

if __name__ == "__main__":
    main("prove-safety", ITEMS, (REHEARSED,))
