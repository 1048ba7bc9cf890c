"""`make prove-safety`: production is never hurt, and never left shut, a line each. Names as arguments choose items."""

import os

from tests.labsite import REHEARSED
from tests.prove import stops as campaign
from tests.prove.house import unit
from tests.prove.proof import main

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
    """Production is opened by what lies there alone."""
    return unit("tests/unit/steps/back_out/test_from_source.py")


def endings() -> str:
    """Signals, a lost terminal, a cut network, and what a run does afterwards."""
    return unit(
        "tests/unit/steps/cli/test_signals.py",
        "tests/unit/fixtures/run/test_standing.py",
        "tests/unit/steps/engine/test_executor.py",
    )


ITEMS = [
    ("stops: with users at work", stops),
    ("fence: everybody, on real servers", fence),
    ("from-source: the way back without the run", from_source),
    ("endings: alike, and remedies that are true", endings),
]

if __name__ == "__main__":
    main("prove-safety", ITEMS, (REHEARSED,))
