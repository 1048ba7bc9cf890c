"""Redis is on the target as on production, and holds what was copied; or production's queues were drained."""

import pytest

from checks.check_final_copy import made_after_closing
from checks.equality import in_words, must_equal
from fixtures.errors import NoGo
from fixtures.facts import redis, units
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.wanted import on_source, on_target
from fixtures.plan import Plan
from fixtures.plan import Redis as Planned
from fixtures.run.journal import TargetOpened
from fixtures.run.records import RedisCopy
from fixtures.run.run import Run
from fixtures.sameness.keys import Held, held, kept_keys, unlike

AGAIN = "copy again: `gonogo run` (before the target opened)"
USUAL_PORT = 6379


@pytest.fixture
def planned(plan: Plan) -> Planned:
    """What the plan says of Redis."""
    return redis.planned(plan)


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_plan_knows_of_redis(plan: Plan, listeners: list[Listener] = on_source(LISTENERS)) -> None:
    """A Redis that listens on production is in the plan: none is left behind."""
    port = plan.redis.port if plan.redis else USUAL_PORT
    listening = any((one.protocol, one.port) == ("tcp", port) for one in listeners)
    if listening != (plan.redis is not None):
        raise NoGo(
            f"Redis on production, port {port}",
            expected="listening, as [redis] in the plan says" if plan.redis else "none: the plan has no [redis]",
            found="listening" if listening else "nobody listens",
            remedy="correct [redis] in the plan: add it, take it out, or set redis.port",
        )


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_runs_and_starts_at_boot(
    redis_unit: str,
    states: list[str] = on_target(lambda redis_unit: units.states(redis_unit)),
    enabled: dict[str, bool] = on_target(lambda redis_unit: units.enabled(redis_unit)),
) -> None:
    """Redis runs, and does so again after a reboot."""
    found = (states == ["active"], enabled[redis_unit])
    must_equal(f"{redis_unit} on the target (runs, starts at boot)", expected=(True, True), found=found, remedy=AGAIN)


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_listens_on_the_loopback_alone(
    redis_unit: str, planned: Planned, listeners: list[Listener] = on_target(LISTENERS)
) -> None:
    """Nobody outside of the target can reach its Redis."""
    found = [one for one in listeners if (one.protocol, one.port) == ("tcp", planned.port)]
    outside = [one.address for one in found if one.public]
    if outside or not found:
        raise NoGo(
            f"{redis_unit} on the target, port {planned.port}",
            expected="listens on the loopback alone",
            found=", ".join(outside) or "nobody listens",
            remedy=AGAIN,
        )


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_takes_the_plans_password(
    redis_unit: str,
    planned: Planned,
    known: str = on_target(redis.with_password),
    anonymous: str = on_target(redis.without_password),
) -> None:
    """Redis takes the plan's password, and where the plan has one, nobody without it."""
    must_equal(
        f"{redis_unit} on the target (with the plan's password, without one)",
        expected=(redis.LET_IN, "NOAUTH" if planned.password else redis.LET_IN),
        found=(known, anonymous),
        remedy=AGAIN,
    )


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_keeps_data_as_production_does(
    redis_unit: str,
    expected: dict[str, str] = on_source(redis.kept_settings),
    found: dict[str, str] = on_target(redis.kept_settings),
) -> None:
    """What Redis writes to disk, when, and what it throws away when memory is short, are production's settings."""
    differing = {key: f"{found[key]}, not {value}" for key, value in expected.items() if found[key] != value}
    if differing:
        raise NoGo(
            f"settings of {redis_unit} on the target", expected="production's", found=in_words(differing), remedy=AGAIN
        )


def _written_since(run: Run, started: int) -> bool:
    """Whether the application may have written into the target's Redis since that was filled."""
    return started * 1000 > run.records(RedisCopy).loaded_at or run.happened(TargetOpened)


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_holds_what_was_copied(
    redis_unit: str,
    run: Run,
    started: int = on_target(lambda plan: units.last_started(plan.application.pack)),
    on_target: dict[str, Held] = on_target(
        lambda redis_unit, plan, run, started: {} if _written_since(run, started) else {redis_unit: held(plan)}
    ),
) -> None:
    """Redis holds every key that was copied, its content and expiry; drained production leaves an empty one."""
    copied = run.records(RedisCopy)
    expected = kept_keys(run.directory, copied.copied)
    if _written_since(run, started):
        # What was loaded was read before the application began.
        found, now = kept_keys(run.directory, copied.loaded), copied.loaded_at
    else:
        found, now = on_target[redis_unit]
    differing = unlike(expected, found, now, whole=copied.final or copied.mode == "drained")
    if differing:
        raise NoGo(
            f"{redis_unit} on the target",
            expected=f"the {len(expected)} keys that were copied" if copied.mode == "copied" else "empty",
            found=f"{len(differing)} differ: {'; '.join(differing[:4])}",
            remedy=AGAIN,
        )


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_copy_is_of_the_planned_kind(redis_unit: str, planned: Planned, run: Run) -> None:
    """Redis was copied, or left empty because production's queues are drained, as the plan says."""
    must_equal(f"the copy for {redis_unit}", expected=planned.mode, found=run.records(RedisCopy).mode, remedy=AGAIN)


@pytest.mark.source_closed
def check_queue_is_drained(queue: str, lengths: dict[str, int] = on_source(redis.queues)) -> None:
    """The queue in closed production's Redis is empty: no job is lost."""
    left = lengths[queue]
    if left != 0:
        raise NoGo(
            f"{queue} in production's Redis",
            expected="empty",
            found=f"{left} entries",
            remedy="go back (`gonogo back-out`), let the workers finish, and close again",
        )


@pytest.mark.final_redis_copied
def check_redis_was_copied_after_closing(redis_unit: str, run: Run) -> None:
    """The last copy of Redis was made after production had closed."""
    made_after_closing(f"the copy for {redis_unit}", run.records(RedisCopy), run)


@pytest.mark.final_redis_copied
def check_closed_redis_still_equals_the_copy(copied_redis: str, run: Run, found: Held = on_source(held)) -> None:
    """Closed production's Redis still holds, key by key, what was copied: nobody wrote there since."""
    expected = kept_keys(run.directory, run.records(RedisCopy).copied)
    differing = unlike(expected, found.keys, found.clock, whole=True)
    if differing:
        raise NoGo(
            f"{copied_redis} on closed production",
            expected="as copied",
            found="; ".join(differing[:4]),
            remedy="find who wrote there (redis-cli CLIENT LIST), then copy again: `gonogo run`",
        )
