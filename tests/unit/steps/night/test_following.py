"""Following users from production to the target."""

import subprocess

import pytest

from fixtures.connect.nameservers import DnsAnswer
from fixtures.run.records import TargetFacts, UsersMoved
from steps.night import following
from tests.unit import windows
from tests.unit.windows import NOW, Serving

run = windows.run


def test_the_line_that_people_read():
    moved = UsersMoved(begun=NOW, offsets={}, requests={"source": 7, "target": 340}, silent_seconds=12.2)
    assert following.line(moved, []) == (
        "production has been silent for 12 s (7 requests after the change); 340 requests on the target"
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
        file.write(LINE.format(1, "Firefox") * 2 + LINE.format(9, "Firefox/128.0 gonogo"))
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
    following.follow(plan, run, Serving(), Local(), Local())
    seen = run.records(UsersMoved)
    assert seen.silent
    assert list(seen.resolvers) == [f"resolver: {r.name} A" for r in plan.dns.records]
    assert "production has been silent for 0 s (0 requests after the change)" in caplog.text


def test_it_ends_in_time_and_names_who_still_asks(followed, run, monkeypatch):
    monkeypatch.setattr(following, "AT_MOST", 0.0)
    plan, log = followed
    with log.open("a") as file:
        file.write(LINE.format(200, "Firefox"))
    stale = Serving()
    stale.ask = lambda server, *_: DnsAnswer(server.name, ("198.51.100.10",), 7, authoritative=False, exists=True)
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
