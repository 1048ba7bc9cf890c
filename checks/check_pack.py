"""The application servers are installed as units that start at boot."""

import pytest

from checks.equality import must_equal
from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import units
from fixtures.facts.fact import ask
from fixtures.plan import Plan

pytestmark = pytest.mark.pack_configured


@pytest.mark.smoke_tested
def check_unit_is_enabled(pack_unit: str, target: Host) -> None:
    """The application server starts at boot."""
    if not ask(target, units.enabled(pack_unit))[pack_unit]:
        raise NoGo(
            f"{pack_unit} on the target",
            expected="enabled",
            found="not enabled",
            remedy=f"systemctl enable {pack_unit}",
        )


def check_unit_can_start(pack_unit: str, target: Host, plan: Plan) -> None:
    """The unit is loaded without a mistake, runs as the application's user, and what it starts is there."""
    shown = ask(target, units.shown(pack_unit, "LoadState", "User", "NeedDaemonReload"))
    there = bool(ask(target, units.program(pack_unit)))
    found = (shown.get("LoadState"), shown.get("User"), there, shown.get("NeedDaemonReload"))
    must_equal(
        f"{pack_unit} on the target (state, user, its program is there, changed since systemd read it)",
        expected=("loaded", plan.application.user, True, "no"),
        found=found,
        remedy="run `gonogo run --until pack_configured`",
    )
