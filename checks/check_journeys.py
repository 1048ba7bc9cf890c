"""Under production's name, at the target's address, every journey of the plan leads to its end."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts.journeys import walked_at_target
from fixtures.facts.wanted import on_web
from fixtures.plan import Journey
from fixtures.run.evidence import Problem

pytestmark = [pytest.mark.rehearsed, pytest.mark.smoke_tested]


def check_journey_works(
    journey: Journey,
    walked: dict[str, Problem | None] = on_web(lambda run, plan, journey: walked_at_target(run, plan, journey)),
) -> None:
    """Every request of the journey is answered as the plan expects; one that writes is made until users write there."""
    # Of one that writes nothing was asked any more: the gate that let the target be opened has walked it.
    problem = walked.get(journey.name)
    if problem:
        raise NoGo(**problem.model_dump())
