"""Changing a zone by hand: what the person is told."""

import logging

from steps.night.providers import Change
from steps.night.providers.manual import Manual
from tests.unit.steps.night.zone import APP, NEW, OLD, Scripted


def test_by_hand_says_what_is_and_what_is_to_be(caplog):
    caplog.set_level(logging.INFO)
    Manual(Scripted(([OLD], 3600))).change([Change(APP, (NEW,), 60)])
    assert "app.example.test  A  192.0.2.9, TTL 60  (now: 192.0.2.1, TTL 3600)" in caplog.text
    assert "zone example.test" in caplog.text
