"""Waiting for the window, and the checks that keep production open until then: each seen red."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks import check_acceptance, check_window
from fixtures.connect.nameservers import Answer
from fixtures.errors import NoGo, PlanError, Refused
from fixtures.plan import load_plan, parse_plan
from fixtures.policy import window
from fixtures.policy.dnsclock import DnsClock, clock_file, observe, places, save_clock
from fixtures.run.records import DnsBefore, TargetFacts, UsersMoved
from fixtures.run.run import Run
from steps.night import following
from steps.night import window as waiting

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml"
NOW = datetime.now(UTC)


@pytest.fixture
def plan():
    return load_plan(EXAMPLE)


@pytest.fixture
def run(tmp_path, plan):
    made = Run(tmp_path / "runs" / "20261101T000000Z-smallpayroll")
    made.record(DnsBefore(records={}, ttls={f"{r.name} {r.type}": 3600 for r in plan.dns.records}))
    return made


def starting(plan, moment):
    """The plan with its window opening then."""
    return plan.model_copy(update={"notice": plan.notice.model_copy(update={"starts": moment})})


def low_since(plan, moment, old=3600):
    clock = DnsClock()
    for where in places(plan):
        clock = observe(clock, where, old, low=60, at=moment - timedelta(seconds=1), before=old)
        clock = observe(clock, where, 60, low=60, at=moment, before=old)
    return clock


# --- when ---------------------------------------------------------------------------------------------------------------


def test_production_may_close_while_the_outage_budget_fits_into_the_window(plan):
    start = window.first_moment(plan)
    assert start == datetime(2026, 12, 6, 6, 0, tzinfo=UTC)
    assert window.last_moment(plan) == start + timedelta(minutes=plan.notice.minutes - plan.cutover.outage_minutes)
    assert not window.is_open(plan, start - timedelta(seconds=1))
    assert window.is_open(plan, start)
    assert not window.is_open(plan, window.last_moment(plan) + timedelta(seconds=1))


def test_a_moment_is_told_in_both_zones(plan):
    assert window.told(plan, window.first_moment(plan)) == (
        "2026-12-06 01:00:00 EST (America/Toronto), 2026-12-06 06:00:00 UTC"
    )


def test_a_window_shorter_than_the_outage_budget_is_no_plan():
    with pytest.raises(PlanError, match=r"notice\.minutes"):
        parse_plan(EXAMPLE.read_text().replace("minutes = 120 ", "minutes = 30 "), EXAMPLE)


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


# --- the step -----------------------------------------------------------------------------------------------------------


class Servers:
    """Every name server serves this TTL."""

    def __init__(self, ttl=60):
        self.ttl = ttl

    def ask(self, server, name, rdtype="A"):
        return Answer(server.name, ("192.0.2.1",), self.ttl, authoritative=True, exists=True)


def wait(plan, run, servers=None):
    waiting.await_window.function(plan, run, servers or Servers())


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


# --- the checks ---------------------------------------------------------------------------------------------------------


def red(check, *arguments):
    with pytest.raises(NoGo) as caught:
        check(*arguments)
    return str(caught.value)


def test_the_clock_is_red_until_the_old_ttl_has_run_out(plan, run):
    record, server = plan.dns.records[0], plan.dns.primary
    ask = (check_window.check_old_ttl_has_run_out, record, server, plan, run)
    assert "never looked at" in red(*ask)
    save_clock(clock_file(plan, run), low_since(plan, NOW))
    text = red(*ask)
    assert "3600 s has run out" in text
    assert "UTC" in text
    clock = observe(low_since(plan, NOW), places(plan)[0], 86400, low=60, at=NOW, before=3600)
    save_clock(clock_file(plan, run), clock)
    assert "86400 s when it was last asked" in red(*ask)
    save_clock(clock_file(plan, run), low_since(plan, NOW - timedelta(hours=2)))
    check_window.check_old_ttl_has_run_out(record, server, plan, run)


def test_the_window_is_red_before_and_after_with_both_zones(plan):
    check_window.check_announced_window_is_open(starting(plan, NOW))
    for moment in (NOW + timedelta(hours=1), NOW - timedelta(minutes=plan.notice.minutes)):
        text = red(check_window.check_announced_window_is_open, starting(plan, moment))
        assert "America/Toronto" in text
        assert "UTC" in text


def test_a_cache_that_holds_longer_is_red(plan):
    record, resolver = plan.dns.records[0], plan.dns.resolvers[0]
    check_window.check_resolver_forgot_the_old_ttl(record, resolver, plan, Servers(60))
    assert "held for 3000" in red(check_window.check_resolver_forgot_the_old_ttl, record, resolver, plan, Servers(3000))


# --- afterwards ---------------------------------------------------------------------------------------------------------


def test_a_production_that_is_still_asked_is_red(run):
    moved = UsersMoved(begun=NOW, offsets={"source": 0, "target": 0}, requests={"source": 7, "target": 340})
    moved.clients = ["192.0.2.200"]
    run.record(moved)
    text = red(check_acceptance.check_production_fell_silent, run)
    assert "7 since the change" in text
    assert "192.0.2.200" in text
    run.record(moved.model_copy(update={"silent": True}))
    check_acceptance.check_production_fell_silent(run)


def test_the_line_that_people_read():
    moved = UsersMoved(begun=NOW, offsets={}, requests={"source": 7, "target": 340}, silent_seconds=12.2)
    assert following.line(moved, []) == (
        "production silent since 12 s (7 requests after the change); 340 requests on the target"
    )
    assert following.line(moved, ["resolver: app A still 192.0.2.1, 3 s left"]).startswith("resolver: app A still")


LINE = '192.0.2.{} - - [01/Nov/2026:22:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "{}"\n'


class Local:
    """Runs a host's commands here."""

    def check(self, argv):
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_requests_of_users_are_counted_beyond_the_offset_also_after_a_rotation(plan, tmp_path):
    log = tmp_path / "access.log"
    plan = plan.model_copy(update={"web": plan.web.model_copy(update={"access_log": log})})
    assert following.requests(plan, Local(), 0) == 0, "no log yet"
    log.write_text(LINE.format(1, "Firefox") * 3)
    size = log.stat().st_size
    assert following.requests(plan, Local(), 0) == 3
    assert following.requests(plan, Local(), size) == 0
    with log.open("a") as file:
        file.write(LINE.format(1, "Firefox") * 2 + LINE.format(9, "gonogo"))
    assert following.requests(plan, Local(), size) == 2, "ours are left out"
    log.write_text(LINE.format(2, "Firefox"))
    assert following.requests(plan, Local(), size) == 1, "rotated: all of it is new"


@pytest.fixture
def followed(plan, run, tmp_path, monkeypatch):
    """A run just before the change, and two hosts with a log each; time passes by itself."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(following, "SILENCE", (0.0, 0.0))
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.1", allocation_id="e", volume_id="v",
            security_group_id="sg-1",
        )
    )  # fmt: skip
    log = tmp_path / "access.log"
    log.write_text(LINE.format(1, "Firefox"))
    plan = plan.model_copy(update={"web": plan.web.model_copy(update={"access_log": log})})
    following.begin(plan, run, Local(), Local())
    return plan, log


def test_it_ends_with_silence_and_every_resolver(followed, run, caplog):
    caplog.set_level("INFO")
    plan, _ = followed
    following.follow(plan, run, Servers(), Local(), Local())
    seen = run.records(UsersMoved)
    assert seen.silent
    assert list(seen.resolvers) == [f"resolver: {r.name} A" for r in plan.dns.records]
    assert "production silent since 0 s (0 requests after the change)" in caplog.text


def test_it_ends_in_time_and_names_who_still_asks(followed, run, monkeypatch):
    monkeypatch.setattr(following, "AT_MOST", 0.0)
    plan, log = followed
    with log.open("a") as file:
        file.write(LINE.format(200, "Firefox"))
    stale = Servers()
    stale.ask = lambda server, *_: Answer(server.name, ("198.51.100.10",), 7, authoritative=False, exists=True)
    following.follow(plan, run, stale, Local(), Local())
    seen = run.records(UsersMoved)
    assert not seen.silent
    assert seen.requests["source"] == 1
    assert seen.clients == ["192.0.2.200"], "those after the change"
    assert following.still_held(plan, run, stale, seen)[0].endswith("still 198.51.100.10, 7 s left")


def test_a_resumed_change_counts_from_the_first_time_on(followed, run):
    plan, log = followed
    before = run.records(UsersMoved).offsets
    log.write_text(LINE.format(1, "Firefox") * 5)
    following.begin(plan, run, Local(), Local())
    assert run.records(UsersMoved).offsets == before
