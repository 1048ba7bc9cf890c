from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import CouldNotVerify
from fixtures.lab.users.ledger import SLOW, Request, acknowledged, outage, read, served_by, write_gap

EPOCH = datetime(2025, 6, 1, 2, 0, tzinfo=UTC)
OLD, NEW = "198.18.0.10", "198.18.0.100"


def at(start: float, status: int | None = 200, latency: float = 0.1, **more: Any) -> Request:
    kind = "timesheet" if "reference" in more else "page"
    more.setdefault("address", OLD)
    return Request(EPOCH + timedelta(seconds=start), start, kind, latency, status=status, **more)


def write(start: float, address: str, status: int | None = 201) -> Request:
    return at(start, status, address=address, reference=f"w{start}", acknowledged=status == 201)


seconds = st.integers(0, 400).map(lambda tenths: tenths / 10)
requests = st.builds(
    at,
    seconds,
    st.sampled_from([200, 201, 302, 404, 500, 502, 503, None]),
    st.integers(0, 50).map(lambda tenths: tenths / 10),
    address=st.sampled_from([OLD, NEW, None]),
)
ledgers = st.lists(requests, max_size=25)


def test_no_bad_request_is_no_outage():
    found = outage([at(0), at(1), at(2, latency=SLOW)])
    assert (found.spans, found.over, found.total, found.longest) == ((), True, 0.0, 0.0)


def test_an_empty_ledger_is_no_outage():
    assert outage([]).spans == ()


@pytest.mark.parametrize("bad", [at(1, 503), at(1, None, error="refused"), at(1, 500), at(1, 404)])
def test_an_outage_lasts_from_the_first_bad_request_to_the_first_good_answer(bad):
    found = outage([at(0), bad, at(2, 503), at(3, latency=0.5), at(4)])
    assert found.spans == ((1, 3.5),)
    assert found.over


def test_a_slow_answer_is_an_outage_until_it_came():
    assert outage([at(0), at(1, latency=4), at(1.5), at(6)]).spans == ((1, 5),)


def test_a_good_answer_already_under_way_does_not_end_an_outage():
    assert outage([at(0, latency=1.5), at(1, 503), at(3, latency=0.5)]).spans == ((1, 3.5),)


def test_separate_outages_are_added_and_the_longest_is_named():
    found = outage([at(0, 503), at(1, latency=0), at(5, 503), at(8, latency=0), at(9)])
    assert found.spans == ((0, 1), (5, 8))
    assert (found.total, found.longest) == (4, 3)


def test_an_outage_without_a_good_answer_lasts_to_the_end_and_is_not_over():
    found = outage([at(0), at(1, 503), at(4, None, latency=3)])
    assert found.spans == ((1, 7),)
    assert not found.over


@given(ledgers)
def test_spans_are_ordered_separate_and_hold_every_bad_request(ledger):
    found = outage(ledger)
    for (_, end), (start, _) in zip(found.spans, found.spans[1:], strict=False):
        assert end < start
    for bad in (request for request in ledger if not request.good):
        assert any(start <= bad.start and bad.end <= end for start, end in found.spans)
    assert found.longest <= found.total or found.longest == pytest.approx(found.total)


@given(ledgers)
def test_an_outage_agrees_with_its_definition(ledger):
    """The slow way: each bad request by itself, and the union measured on a grid of a tenth of a second."""
    last = max((request.end for request in ledger), default=0.0)
    covered: set[int] = set()
    for bad in (request for request in ledger if not request.good):
        answers = [r.end for r in ledger if r.good and r.start > bad.start]
        end = max(bad.end, min(answers)) if answers else last
        covered.update(range(round(bad.start * 10), round(end * 10)))
    assert outage(ledger).total == pytest.approx(len(covered) / 10, abs=1e-6)


@given(ledgers, st.randoms())
def test_the_order_of_lines_does_not_matter(ledger, random):
    shuffled = list(ledger)
    random.shuffle(shuffled)
    assert outage(shuffled) == outage(ledger)
    assert write_gap(shuffled) == write_gap(ledger)


@given(ledgers, seconds)
def test_one_more_good_answer_never_makes_an_outage_longer(ledger, start):
    last = max((request.end for request in ledger), default=0.0)
    if start + 0.1 <= last:
        assert outage([*ledger, at(start)]).total <= outage(ledger).total + 1e-9


def test_the_write_gap_counts_acknowledged_writes_only():
    ledger = [write(0, OLD), write(1, OLD), write(2, OLD, 503), write(3, NEW, 503), write(4, NEW), write(5, NEW)]
    assert write_gap(ledger) == pytest.approx(3.0)
    assert acknowledged(ledger) == {"w0", "w1", "w4", "w5"}


def test_there_is_no_write_gap_before_anything_moved():
    assert write_gap([write(0, OLD), write(1, OLD)]) is None
    assert write_gap([]) is None


def test_a_late_write_at_the_old_address_leaves_the_gap_as_it_is():
    assert write_gap([write(0, OLD), write(3, NEW), write(3.5, OLD), write(4, NEW)]) == pytest.approx(3.0)


@given(st.lists(seconds, min_size=1, unique=True), st.lists(seconds, min_size=1, unique=True))
def test_the_write_gap_is_between_the_two_addresses(old, new):
    moved = [write(start + 50, NEW) for start in new]
    expected = (min(new) + 50) - max(old)
    assert write_gap([write(start, OLD) for start in old] + moved) == pytest.approx(expected)


def test_served_by_counts_answers_since_a_time():
    ledger = [at(0), at(5), at(6, address=NEW), at(7, address=NEW), at(8, 503, address=NEW), at(9, None, address=None)]
    assert served_by(ledger, EPOCH + timedelta(seconds=5)) == {OLD: 1, NEW: 2}


@given(ledgers)
def test_a_ledger_reads_back_as_it_was_written(tmp_path_factory, ledger):
    path = tmp_path_factory.mktemp("ledger") / "users.jsonl"
    path.write_bytes(b"".join(request.to_line() for request in ledger))
    assert read(path) == sorted(ledger, key=lambda request: request.start)


def test_a_line_still_being_written_is_left_out(tmp_path: Path):
    path = tmp_path / "users.jsonl"
    path.write_bytes(at(0).to_line() + at(1).to_line()[:-9])
    assert read(path) == [at(0)]


def test_a_damaged_ledger_is_named_with_its_line(tmp_path: Path):
    path = tmp_path / "users.jsonl"
    path.write_bytes(at(0).to_line() + b'{"time": 1}\n')
    with pytest.raises(CouldNotVerify, match="line 2"):
        read(path)


def test_an_absent_ledger_is_could_not_verify(tmp_path: Path):
    with pytest.raises(CouldNotVerify, match="No such file"):
        read(tmp_path / "none.jsonl")
