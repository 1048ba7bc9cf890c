"""What Redis answered, judged: password, settings, queues, and every key of the copy."""

import pytest

from checks import check_redis
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.wanted import wanted_by
from fixtures.plan import Redis as Planned
from fixtures.run.journal import TargetOpened
from fixtures.run.records import RedisCopy
from fixtures.sameness.keys import Held, Keys, held, keep_keys
from fixtures.secrets import Secret
from tests.unit.example import PLAN

UNIT = "redis-server.service"
COPIED = Keys({"0/jobs#1": "list aa -", "0/session#2": "string bb 90000", "0/session#3": "string cc 20000"})
LATER = 40000
SECRET = Secret(env="REDIS_PASSWORD")
PLANNED = PLAN.model_copy(update={"redis": Planned(mode="copied")})


@pytest.mark.parametrize(
    ("password", "known", "anonymous", "words"),
    [
        (SECRET, "let in", "NOAUTH", None),
        (None, "let in", "let in", None),
        (SECRET, "let in", "let in", "let in, let in"),
        (SECRET, "WRONGPASS", "NOAUTH", "WRONGPASS, NOAUTH"),
        (SECRET, "let in", "LOADING", "let in, LOADING"),
        (None, "NOAUTH", "NOAUTH", "NOAUTH, NOAUTH"),
    ],
)
def test_the_plans_password_and_no_other_opens_redis(password, known, anonymous, words):
    planned = Planned(mode="copied", password=password)
    if words is None:
        check_redis.check_redis_takes_the_plans_password(UNIT, planned, known, anonymous)
        return
    with pytest.raises(NoGo) as caught:
        check_redis.check_redis_takes_the_plans_password(UNIT, planned, known, anonymous)
    assert caught.value.found == words
    assert caught.value.subject == f"{UNIT} on the target (with the plan's password, without one)"


def test_another_setting_is_no_go():
    production = {"save": "3600 1", "maxmemory": "0"}
    check_redis.check_redis_keeps_data_as_production_does(UNIT, production, dict(production))
    with pytest.raises(NoGo, match="maxmemory: 100, not 0"):
        check_redis.check_redis_keeps_data_as_production_does(UNIT, production, production | {"maxmemory": "100"})


def test_a_job_that_is_left_is_no_go_and_a_queue_without_an_answer_is_no_empty_one():
    check_redis.check_queue_is_drained("jobs", {"jobs": 0, "mail": 2})
    with pytest.raises(NoGo, match="2 entries"):
        check_redis.check_queue_is_drained("mail", {"jobs": 0, "mail": 2})
    with pytest.raises(KeyError):
        check_redis.check_queue_is_drained("jobs", {})


@pytest.fixture
def copied(run):
    def copied(*, final=True, mode="copied", keys=COPIED, loaded=COPIED):
        (run.directory / "manifests").mkdir(exist_ok=True)
        for one in (keys, loaded):
            keep_keys(run.directory, one)
        run.record(
            RedisCopy(final=final, mode=mode, copied=keys.sha256, loaded=loaded.sha256, counts={}, loaded_at=LATER)
        )
        return run

    return copied


def without(keys, *names):
    return Keys({name: facts for name, facts in keys.items() if name not in names})


def test_keys_of_the_target_are_the_copys_until_the_application_writes(copied):
    run = copied()
    now = {UNIT: Held(without(COPIED, "0/session#3"), LATER)}
    check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, now)
    for wrong, words in (
        (without(COPIED, "0/jobs#1"), "0/jobs#1 is absent"),
        (Keys(COPIED | {"0/jobs#1": "list ab -"}), "0/jobs#1 differs"),
        (Keys(COPIED | {"0/x#4": "set dd -"}), "was not copied"),
    ):
        with pytest.raises(NoGo, match=words):
            check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, {UNIT: Held(wrong, LATER)})
    with pytest.raises(KeyError):
        check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, {})


def test_what_was_loaded_counts_once_the_application_may_have_written(copied):
    started = LATER // 1000 + 1
    check_redis.check_redis_holds_what_was_copied(UNIT, copied(), started, {})
    run = copied(loaded=without(COPIED, "0/jobs#1"))
    with pytest.raises(NoGo, match="0/jobs#1 is absent"):
        check_redis.check_redis_holds_what_was_copied(UNIT, run, started, {})
    run.journal(TargetOpened())
    with pytest.raises(NoGo, match="0/jobs#1 is absent"):
        check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, {})


def test_the_target_is_asked_for_its_keys_until_the_application_may_have_written(copied):
    wanted = wanted_by(check_redis.check_redis_holds_what_was_copied)["on_target"]
    values = {"redis_unit": UNIT, "plan": PLANNED, "run": copied()}
    assert wanted.made_of(values | {"started": LATER // 1000}) == {UNIT: held(PLANNED)}
    assert wanted.made_of(values | {"started": LATER // 1000 + 1}) == {}
    values["run"].journal(TargetOpened())
    assert wanted.made_of(values | {"started": 0}) == {}


def test_a_drained_redis_is_empty(copied):
    run = copied(mode="drained", keys=Keys(), loaded=Keys())
    check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, {UNIT: Held(Keys(), LATER)})
    with pytest.raises(NoGo, match="expected: empty"):
        check_redis.check_redis_holds_what_was_copied(UNIT, run, 0, {UNIT: Held(COPIED, LATER)})


def test_what_closed_production_holds_is_what_was_copied(copied):
    run = copied()
    check_redis.check_closed_redis_still_equals_the_copy(UNIT, run, Held(COPIED, LATER))
    with pytest.raises(NoGo, match="0/jobs#1 differs"):
        check_redis.check_closed_redis_still_equals_the_copy(
            UNIT, run, Held(Keys(COPIED | {"0/jobs#1": "list ab -"}), LATER)
        )
    (run.directory / "manifests" / f"{COPIED.sha256}.gz").unlink()
    with pytest.raises(CouldNotVerify, match=COPIED.sha256):
        check_redis.check_closed_redis_still_equals_the_copy(UNIT, run, Held(COPIED, LATER))
