"""Transient units: their names, and which of a run are still at work."""

from steps.tools import units
from tests.unit.steps import target as targets

run = targets.run


def test_a_units_name_is_run_and_step(run):
    assert (
        units.unit_name(run, "bring_dependencies") == "gonogo-20260101T000000Z-smallpayroll-bring_dependencies.service"
    )


def test_units_of_a_run_that_are_still_at_work_are_known(run):
    shown = """gonogo-20260101T000000Z-smallpayroll-a.service loaded active running /usr/bin/bash
gonogo-20260101T000000Z-smallpayroll-b.service loaded active exited /usr/bin/bash x
gonogo-20260101T000000Z-smallpayroll-c.service loaded failed failed /usr/bin/bash
gonogo-20260101T000000Z-smallpayroll-d.service loaded deactivating stop-sigterm /usr/bin/bash
"""
    host = targets.Target(answers=[shown, ""])
    assert [unit[-9] for unit in units.running_units(host, run.name)] == ["a", "d"]
    assert host.asked[0][-1] == "gonogo-20260101T000000Z-smallpayroll-*.service"
    assert units.running_units(host, run.name) == []
