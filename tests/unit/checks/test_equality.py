"""Values that differ are no-go, and stand in words that anybody can read."""

from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from checks.equality import in_words, must_equal
from fixtures.errors import NoGo
from fixtures.facts.accounts import Account


def test_equal_values_pass_and_others_are_no_go_in_words():
    must_equal("a unit", expected=(True, "on"), found=(True, "on"), remedy="start it")
    with pytest.raises(NoGo) as error:
        must_equal("a unit", expected=(True, "on"), found=(False, None), remedy="start it")
    assert (error.value.expected, error.value.found) == ("yes, on", "no, none")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        ([], "none"),
        ("", "none"),
        ((["192.0.2.1", "192.0.2.2"], 300), "192.0.2.1, 192.0.2.2, 300"),
        ({"app": True, "report": False}, "app: yes; report: no"),
        (datetime(2026, 11, 23, 2, 14, tzinfo=UTC), "2026-11-23 02:14:00 UTC"),
        (PurePosixPath("/mnt"), "/mnt"),
        (Account("/srv/app", "/bin/bash", ("app",)), "home: /srv/app; shell: /bin/bash; groups: app"),
    ],
)
def test_a_value_in_words(value, words):
    assert in_words(value) == words
