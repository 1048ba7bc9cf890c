"""Comparing what was found with what is expected, and putting both into words that anybody can read."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

from fixtures.errors import NoGo


def must_equal(subject: str, *, expected: object, found: object, remedy: str) -> None:
    """Raise `NoGo`, with both values in words, unless they are equal."""
    if found != expected:
        raise NoGo(subject, expected=in_words(expected), found=in_words(found), remedy=remedy)


def must_be_none(
    subject: str, *, expected: str = "none", found: Collection[object], remedy: str, most: int | None = None
) -> None:
    """Raise `NoGo` with what was found (at most `most` of it, and how many more), unless nothing was."""
    if found:
        shown = [str(item) for item in found][:most]
        more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        separator = "; " if any(", " in item for item in shown) else ", "
        raise NoGo(subject, expected=expected, found=f"{separator.join(shown)}{more}", remedy=remedy)


def in_words(value: object) -> str:
    """A value as it stands in a message: no brackets, no quotes, and yes or no for what is true or false."""
    if value is None or value in ("", (), [], {}, frozenset()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if is_dataclass(value) and not isinstance(value, type):
        return in_words({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return in_words(value._asdict())
    if isinstance(value, Mapping):
        return "; ".join(f"{in_words(key)}: {in_words(item)}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(in_words, value))
    return str(value)
