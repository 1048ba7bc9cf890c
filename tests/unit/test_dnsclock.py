"""The DNS clock: never too early, kept across runs, begun anew where a longer TTL is seen again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import CouldNotVerify
from fixtures.policy.dnsclock import DnsClock, last_to_run_out, load_clock, observe, runs_out, save_clock

START = datetime(2026, 11, 1, 22, 0, tzinfo=UTC)
LOW = 60
ttls = st.sampled_from([1, 5, LOW, LOW + 1, 300, 3600, 86400])
"""Around the limit, and as real zones have them."""
seen = st.lists(st.tuples(st.integers(0, 7200), ttls), min_size=1, max_size=8)


def at(seconds):
    return START + timedelta(seconds=seconds)


def watch(observations, before=3600, where="a"):
    clock, moment = DnsClock(), 0
    for later, ttl in observations:
        moment += later
        clock = observe(clock, where, ttl, low=LOW, at=at(moment), before=before)
    return clock


def moments(observations):
    moment, found = 0, []
    for later, ttl in observations:
        moment += later
        found.append((moment, ttl))
    return found


def test_the_previous_ttl_after_it_was_first_seen_low():
    clock = watch([(0, 3600), (10, LOW), (500, LOW)])
    assert runs_out(clock, ["a"]) == at(10 + 3600)
    assert clock.places["a"].since == at(10)
    assert clock.places["a"].old == 3600


def test_a_longer_ttl_seen_again_begins_anew():
    clock = watch([(0, 3600), (10, LOW), (100, 86400)])
    assert runs_out(clock, ["a"]) is None
    clock = watch([(0, 3600), (10, LOW), (100, 86400), (50, LOW)])
    assert runs_out(clock, ["a"]) == at(160 + 86400)


def test_what_was_never_seen_may_have_served_the_recorded_ttl_until_now():
    assert runs_out(watch([(7, LOW)], before=3600), ["a"]) == at(7 + 3600)


def test_the_last_server_counts_and_a_missing_one_leaves_it_open():
    clock = watch([(0, 3600), (10, LOW)])
    clock = observe(clock, "b", 86400, low=LOW, at=at(0), before=3600)
    assert runs_out(clock, ["a", "b"]) is None
    clock = observe(clock, "b", LOW, low=LOW, at=at(20), before=3600)
    assert runs_out(clock, ["a", "b"]) == at(20 + 86400)
    assert last_to_run_out(clock, ["a", "b"])[0] == "b"
    assert runs_out(clock, ["a", "b", "c"]) is None
    assert runs_out(clock, []) is None


@given(seen, ttls)
def test_no_cache_outlives_the_clock(observations, before):
    """Whatever was seen may have been served until it was seen to be different: caches hold it that long."""
    end = runs_out(watch(observations, before), ["a"])
    known = moments(observations)
    if known[-1][1] > LOW:
        assert end is None
        return
    told = [known[0][0] + before]
    told += [later + ttl for (_, ttl), (later, _) in pairwise(known) if ttl > LOW]
    assert end >= at(max(told))


@given(seen, ttls, st.lists(st.tuples(st.integers(0, 7200), st.integers(1, LOW)), max_size=5))
def test_looking_again_at_a_short_ttl_changes_nothing(observations, before, more):
    low = [*observations, (0, LOW)]
    first, again = watch(low, before).places["a"], watch([*low, *more], before).places["a"]
    assert (again.since, again.old, again.runs_out) == (first.since, first.old, first.runs_out)


def test_it_is_kept_in_a_file(tmp_path):
    path = tmp_path / "plan.dns-clock.json"
    assert load_clock(path) == DnsClock()
    clock = watch([(0, 3600), (10, LOW)])
    save_clock(path, clock)
    assert load_clock(path) == clock
    path.write_text("{")
    with pytest.raises(CouldNotVerify, match="dns-clock"):
        load_clock(path)
