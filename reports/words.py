"""How numbers, times and foreign text are put into words. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fixtures.redaction import visible
from fixtures.run.evidence import JOURNAL
from fixtures.run.sums import CHANGED

_NBSP = "\u00a0"


def clean(value: Any) -> Any:
    r"""The value with every character that has no picture of its own shown as in \x1b, lists and mappings included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def utc(at: datetime) -> datetime:
    """The moment in UTC; one without a zone is taken as UTC already."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def day_and_time(at: datetime) -> str:
    """`2026-11-23 02:14:07+00:00`."""
    return f"{utc(at):%Y-%m-%d %H:%M:%S}+00:00"


def clock(at: datetime) -> str:
    """`02:14:07+00:00`."""
    return f"{utc(at):%H:%M:%S}+00:00"


def minute(at: datetime) -> str:
    """`2026-11-23 02:14 UTC`, for sentences."""
    return f"{utc(at):%Y-%m-%d %H:%M} UTC".replace(" UTC", f"{_NBSP}UTC")


def duration(seconds: float) -> str:
    """Seconds for people: `40 ms`, `2.3 s`, `14 s`, `3 min 05 s`, `5 h 12 min`, `2 d 3 h`."""
    if seconds < 0.0995:
        text = f"{max(seconds, 0) * 1000:.0f} ms"
    elif seconds < 9.95:
        text = f"{seconds:.1f} s"
    elif seconds < 59.5:
        text = f"{seconds:.0f} s"
    else:
        whole = timedelta(seconds=round(seconds))
        hours, rest = divmod(whole.seconds, 3600)
        if whole.days:
            text = f"{whole.days} d {hours} h"
        elif hours:
            text = f"{hours} h {rest // 60:02d} min"
        else:
            text = f"{rest // 60} min {rest % 60:02d} s"
    return text.replace(" ", _NBSP)


def number(count: int) -> str:
    """A whole number in groups of three: `225 731`."""
    return f"{count:,}".replace(",", _NBSP)


def counted(count: int, one: str) -> str:
    """`1 file`, `512 files`."""
    return f"{number(count)}{_NBSP}{one if count == 1 else one + 's'}"


def size(count: int) -> str:
    """Bytes for people, in decimal units."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f}{_NBSP}{unit}" if unit == "bytes" or amount >= 100 else f"{amount:.1f}{_NBSP}{unit}"
        amount /= 1000
    return f"{amount:.1f}{_NBSP}TB"


def changed_lines(unreadable: Iterable[str]) -> list[str]:
    """The lines of the journal that were changed or are gone: without them nobody can say where a run stands."""
    return [one for one in unreadable if one.startswith(f"{JOURNAL}, line ") and one.endswith(CHANGED)]
