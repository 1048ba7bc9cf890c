"""Durations, numbers, sizes and times, as people read them."""

from datetime import UTC, datetime

import pytest

from reports import words
from tests.unit.reports.runs import plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.04, "40 ms"), (2.34, "2.3 s"), (9.96, "10 s"), (14.2, "14 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
     (3599.7, "1 h 00 min"), (18_720, "5 h 12 min"), (183_600, "2 d 3 h"), (-3, "0 ms")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert plain(words.duration(seconds)) == text


def test_numbers_and_sizes() -> None:
    assert plain(words.number(225_731)) == "225 731"
    assert [plain(words.size(n)) for n in (0, 999, 1000, 48_123_456, 10**13)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "48.1 MB",
        "10.0 TB",
    ]
    assert [plain(words.counted(n, "file")) for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


def test_times_are_utc_with_offset() -> None:
    at = datetime(2026, 11, 23, 3, 14, 7, tzinfo=UTC).astimezone()
    assert words.day_and_time(at) == "2026-11-23 03:14:07+00:00"
    assert words.utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)
