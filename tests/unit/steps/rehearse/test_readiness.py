"""The pack is waited for as long as production gives reason to, and a crash is said at once."""

import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.connect.runner import Output
from fixtures.errors import StepFailed
from steps.rehearse import readiness
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY

RUNS = "ActiveState=active\nSubState=running\nNRestarts=0\n"
STARTS = "ActiveState=activating\nSubState=start\nNRestarts=0\n"


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes by waiting alone."""
    made = SimpleNamespace(now=0.0)
    monkeypatch.setattr(readiness.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(readiness.time, "sleep", lambda seconds: setattr(made, "now", made.now + seconds))
    return made


class Host:
    """A host whose units and listeners are as the clock says, and whose journal has one line."""

    name = "target"

    def __init__(self, clock, listens, shown=lambda _: RUNS):
        self.clock, self.listens, self.shown, self.shell = clock, listens, shown, self

    def begin(self, command, **_):
        text = self.shown(self.clock.now) if command.startswith("systemctl") else self._listening()
        done = SimpleNamespace(result=lambda: Output(0, text.encode(), b""))
        done.add_done_callback = lambda call: call(done)
        return done

    def _listening(self):
        return "listens\n" if self.clock.now >= self.listens else "closed\n"

    def check(self, argv):
        return f"{argv[-1]}: cannot load such file\n"


@pytest.fixture
def surveyed(run):
    run.record(SURVEY.model_copy(update={"ready_seconds": {"a.service": 5.0}}))
    return run


def test_a_slow_start_is_waited_for_with_words(clock, surveyed, caplog):
    with caplog.at_level(logging.INFO, "steps"):
        readiness.await_pack(Host(clock, 40, lambda now: STARTS if now < 20 else RUNS), PLAN, surveyed)
    assert 40 <= clock.now < 41
    assert "smallpayroll-web@3001.service is activating" in caplog.text
    assert "of at most 50 s: nobody listens at port 3001, nobody listens at port 3002" in caplog.text


def test_what_is_not_there_in_time_is_left_to_the_gate(clock, surveyed, caplog):
    readiness.await_pack(Host(clock, 1e9), PLAN, surveyed)
    assert 50 <= clock.now < 51
    assert "not there after 50 s" in caplog.text


@pytest.mark.parametrize("state", ["ActiveState=failed\nNRestarts=0", "ActiveState=activating\nNRestarts=3"])
def test_a_crash_is_said_at_once_with_its_newest_line(clock, surveyed, state):
    with pytest.raises(StepFailed, match=r"web@3001\.service on the target[^§]*cannot load such file"):
        readiness.await_pack(Host(clock, 1e9, lambda _: state), PLAN, surveyed)
    assert clock.now == 0


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.floats(0, 1e6))))
def test_the_limit_is_between_its_bounds_and_longer_than_production_took(took):
    seconds = readiness.limit(took)
    assert readiness.AT_LEAST <= seconds <= readiness.AT_MOST
    assert all(one is None or seconds >= min(one, readiness.AT_MOST) for one in took.values())


def test_a_site_is_asked_until_nobody_says_that_it_is_away(clock):
    statuses = [502, 503, 406]
    web = SimpleNamespace(get=lambda *_: SimpleNamespace(status_code=statuses.pop(0)))
    readiness.await_site(PLAN, "192.0.2.1", web)
    assert statuses == []
