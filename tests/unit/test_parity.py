"""Response times: percentiles, the judgement, and the pace."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import StepFailed
from fixtures.facts import parity
from fixtures.plan import Parity
from fixtures.run.records import Times


def test_percentiles_by_nearest_rank():
    values = [15, 20, 35, 40, 50]
    assert [parity.percentile(values, share) for share in (0.05, 0.3, 0.4, 0.5, 1)] == [15, 20, 20, 35, 50]
    assert parity.percentile([7], 0.95) == 7
    with pytest.raises(ValueError, match="no values"):
        parity.percentile([], 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values, share):
    found = parity.percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


@pytest.mark.parametrize(
    ("target", "slow"),
    [
        ((100, 200), []),
        ((150, 300), []),  # just 1.5 times
        ((151, 301), ["p50", "p95"]),
        ((100, 400), ["p95"]),
    ],
)
def test_slower_than_the_plan_allows(target, slow):
    theirs, ours = Times(n=40, p50=100, p95=200), Times(n=40, p50=target[0], p95=target[1])
    assert [words.split()[0] for words in parity.too_slow(Parity(), theirs, ours)] == slow


def test_small_differences_never_count():
    assert parity.too_slow(Parity(), Times(n=40, p50=2, p95=4), Times(n=40, p50=50, p95=54)) == []


class _Answer:
    def __init__(self, status_code):
        self.status_code, self.text = status_code, "Signed in as Clara"


class _Web:
    """Notes who was asked, and when."""

    def __init__(self, status=200):
        self.asked, self.status = [], status

    def session(self, address):
        web = self

        class Session:
            def get(self, page):
                web.asked.append((address, page, time.monotonic()))
                return _Answer(web.status)

            def close(self):
                pass

        return Session()

    def login(self, session, smoke):
        return _Answer(200)


class _Smoke:
    signed_in_text, login_page = "Signed in as", "/login"


def test_hosts_are_asked_in_turn_at_a_bounded_rate_and_the_first_round_does_not_count():
    web = _Web()
    times = parity.measure(
        web, {"source": "a", "target": "b"}, _Smoke, ["/", "/x"], Parity(requests=10, per_second=100)
    )
    assert {name: one.n for name, one in times.items()} == {"source": 10, "target": 10}
    assert [address for address, _, _ in web.asked] == ["a", "b"] * 12
    asked = [at for address, _, at in web.asked if address == "a"]
    assert min(b - a for a, b in pairwise(asked)) > 0.008


def test_a_page_that_fails_is_no_fast_page():
    with pytest.raises(StepFailed) as caught:
        parity.measure(_Web(status=500), {"source": "a"}, _Smoke, ["/"], Parity())
    assert "/ on the source" in caught.value.subject
