"""The company's own service, such as a monitoring agent, runs on the target, and comes back with it."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import units
from fixtures.facts.wanted import on_target

# Yours: the unit.
UNIT = "prometheus-node-exporter.service"
SHOWN = units.shown(UNIT, "LoadState", "ActiveState", "UnitFileState")


@pytest.mark.build_finished
def check_agent_runs(shown: dict[str, str] = on_target(SHOWN)) -> None:
    """The monitoring agent runs on the target, and starts at boot."""
    found = (shown.get("ActiveState"), shown.get("UnitFileState"))
    if found != ("active", "enabled"):
        there = shown.get("LoadState") == "loaded"
        raise NoGo(
            f"{UNIT} on the target",
            expected="active, enabled",
            found=", ".join(filter(None, found)) if there else "no such unit",
            remedy="install it there, and `systemctl enable --now` it",
        )
