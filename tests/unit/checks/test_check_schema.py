"""Versions of extensions, compared."""

import pytest

from checks.check_schema import is_later


@pytest.mark.parametrize(
    ("version", "than", "later"),
    [("1.7", "1.6", True), ("1.10", "1.9", True), ("1.6", "1.6", False), ("1.5", "1.6", False), ("x", "1.6", False)],
)
def test_a_later_extension(version, than, later):
    assert is_later(version, than) is later
