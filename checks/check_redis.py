"""Redis is on the target as on production, and holds what was copied; or production's queues were drained."""

from collections.abc import Mapping

import pytest

from checks.check_final_copy import made_after_closing
from checks.equality import in_words, must_equal
from fixtures.connect.host import Host
from fixtures.connect.redis import KEPT_SETTINGS, RedisRefusal, clock, lengths, opened, settings
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import units
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.wanted import on_source, on_target
from fixtures.plan import Plan
from fixtures.plan import Redis as Planned
from fixtures.run.journal import TargetOpened
from fixtures.run.records import RedisCopy
from fixtures.run.run import Run
from fixtures.sameness.keys import kept_keys, read_keys, unlike

AGAIN = "copy again: `gonogo run` (before the target opened)"
USUAL_PORT = 6379


@pytest.fixture
def planned(plan: Plan) -> Planned:
    """What the plan says of Redis."""
    if plan.redis is None:
        raise CouldNotVerify("[redis] in the plan", expected="there", found="none", remedy="add [redis] to the plan")
    return plan.redis


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
def check_redis_takes_the_plans_password(redis_unit: str, planned: Planned, target: Host) -> None:
    """Redis takes the plan's password, and where the plan has one, nobody without it."""
    found = (_admitted(target, planned, anonymous=False), _admitted(target, planned, anonymous=True))
    expected = ("let in", "NOAUTH" if planned.password else "let in")
    must_equal(
        f"{redis_unit} on the target (with the plan's password, without one)",
        expected=expected,
        found=found,
        remedy=AGAIN,
    )


def _admitted(target: Host, planned: Planned, *, anonymous: bool) -> str:
    """What becomes of a client: "let in", or the code of the refusal."""
    try:
        with opened(target, planned, anonymous=anonymous) as session:
            session.ping()
    except RedisRefusal as refusal:
        return refusal.code
    return "let in"


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_keeps_data_as_production_does(
    redis_unit: str, planned: Planned, source: Host, target: Host
) -> None:  # fmt: skip
    """What Redis writes to disk, when, and what it throws away when memory is short, are production's settings."""
    with opened(source, planned) as session:
        expected = settings(session, *KEPT_SETTINGS)
    with opened(target, planned) as session:
        found = settings(session, *KEPT_SETTINGS)
    differing = {key: f"{found[key]}, not {value}" for key, value in expected.items() if found[key] != value}
    if differing:
        raise NoGo(
            f"settings of {redis_unit} on the target", expected="production's", found=in_words(differing), remedy=AGAIN
        )


@pytest.mark.redis_copied
@pytest.mark.final_redis_copied
def check_redis_holds_what_was_copied(
    redis_unit: str, planned: Planned, run: Run, target: Host,
    started: int = on_target(lambda plan: units.last_started(plan.application.pack)),
) -> None:  # fmt: skip
    """Redis holds every key that was copied, its content and expiry; drained production leaves an empty one."""
    copied = run.records(RedisCopy)
    expected = kept_keys(run.directory, copied.copied)
    found: Mapping[str, str]
    if started * 1000 > copied.loaded_at or run.happened(TargetOpened):
        # The application has written since; what was loaded was read before it began.
        found, now = kept_keys(run.directory, copied.loaded), copied.loaded_at
    else:
        with opened(target, planned) as session:
            found, now = read_keys(session), clock(session)
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
def check_queue_is_drained(queue: str, planned: Planned, source: Host) -> None:
    """The queue in closed production's Redis is empty: no job is lost."""
    with opened(source, planned) as session:
        left = lengths(session, [queue]).get(queue, 0)
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
def check_closed_redis_still_equals_the_copy(copied_redis: str, planned: Planned, run: Run, source: Host) -> None:
    """Closed production's Redis still holds, key by key, what was copied: nobody wrote there since."""
    copied = run.records(RedisCopy)
    with opened(source, planned) as session:
        differing = unlike(kept_keys(run.directory, copied.copied), read_keys(session), clock(session), whole=True)
    if differing:
        raise NoGo(
            f"{copied_redis} on closed production",
            expected="as copied",
            found="; ".join(differing[:4]),
            remedy="find who wrote there (redis-cli CLIENT LIST), then copy again: `gonogo run`",
        )
