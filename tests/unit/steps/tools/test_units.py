"""Transient units: their names."""

from steps.tools import units
from tests.unit.steps import target as targets

run = targets.run


def test_a_units_name_is_run_and_step(run):
    assert units.unit_name(run, "install_gems") == "gonogo-20260101T000000Z-smallpayroll-install_gems.service"
