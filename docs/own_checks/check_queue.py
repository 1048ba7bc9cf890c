"""Nothing waits in the application's queue when production is closed: a job would run twice, or not at all."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import SqlFact, single
from fixtures.facts.wanted import in_source_db

# Yours: how many jobs wait.
WAITING = SqlFact("SELECT count(*) FROM jobs WHERE finished_at IS NULL", single)


@pytest.mark.window_open
def check_queue_is_empty(waiting: int = in_source_db(WAITING)) -> None:
    """No job waits in production's queue just before it is closed."""
    if waiting:
        raise NoGo("jobs that wait on production", expected="0", found=str(waiting), remedy="wait for the workers")
