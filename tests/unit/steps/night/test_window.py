"""Waiting for the window and for the DNS clock."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.errors import Refused
from fixtures.policy.dnsclock import clock_file, observe, places, save_clock
from steps.night import window as waiting
from tests.unit import windows
from tests.unit.windows import NOW, Serving, low_since, starting

run = windows.run


def test_the_later_of_clock_and_window_is_waited_for(plan):
    clock = low_since(plan, NOW)
    moment, why = waiting.opening(starting(plan, NOW), clock)
    assert moment == NOW + timedelta(hours=1)
    assert f"the old TTL of 3600 s runs out at {moment:%H:%M:%S} UTC" in why
    moment, why = waiting.opening(starting(plan, NOW + timedelta(hours=2)), clock)
    assert moment == NOW + timedelta(hours=2)
    assert "window begins" in why


def test_a_server_that_serves_the_long_ttl_is_named(plan):
    clock = low_since(plan, NOW)
    worst = places(plan)[-1]
    clock = observe(clock, worst, 86400, low=60, at=NOW, before=3600)
    with pytest.raises(Refused, match="ns2"):
        waiting.opening(plan, clock)


def wait(plan, run, servers=None):
    waiting.await_window.function(plan, run, servers or Serving())


def test_more_than_half_an_hour_is_left_to_the_operator(plan, run):
    save_clock(clock_file(plan, run), low_since(plan, NOW))
    with pytest.raises(Refused, match="old TTL of 3600 s") as caught:
        wait(starting(plan, NOW), run)
    assert "come back at" in caught.value.remedy


def test_what_has_run_out_is_not_waited_for(plan, run):
    save_clock(clock_file(plan, run), low_since(plan, NOW - timedelta(hours=2)))
    wait(starting(plan, NOW), run)


def test_a_short_wait_is_waited_with_the_reason(plan, run, caplog, monkeypatch):
    caplog.set_level("INFO")
    save_clock(clock_file(plan, run), low_since(plan, datetime.now(UTC) - timedelta(seconds=3599)))
    wait(starting(plan, NOW), run)
    assert "the old TTL of 3600 s runs out at" in caplog.text


def test_a_window_that_is_over_is_refused(plan, run):
    save_clock(clock_file(plan, run), low_since(plan, NOW - timedelta(hours=2)))
    with pytest.raises(Refused, match="announced window"):
        wait(starting(plan, NOW - timedelta(minutes=plan.notice.minutes)), run)


def test_without_a_clock_the_whole_old_ttl_is_waited_for(plan, run):
    with pytest.raises(Refused, match="3600"):
        wait(starting(plan, NOW), run)
    assert clock_file(plan, run).exists()
