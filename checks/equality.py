"""Comparing what was found with what is expected, and putting both into words that anybody can read."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

from fixtures.errors import CouldNotVerify, NoGo


def must_be_on_production(subject: str, value: object, *, named_by: str) -> None:
    """Raise `CouldNotVerify` where production itself has nothing of what the target is compared with.

    Nothing equals nothing, and proves nothing. `named_by` is the key of the plan that says it is there.
    """
    if not value:
        raise CouldNotVerify(
            f"{subject} on production",
            expected=f"there, as {named_by} in the plan says",
            found="no such thing, or none that can be read",
            remedy=f"put it back on production, or correct {named_by} in the plan",
        )


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
