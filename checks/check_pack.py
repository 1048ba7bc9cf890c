"""The application servers are installed as units that start at boot."""

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.facts import units
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan

pytestmark = pytest.mark.pack_configured


@pytest.mark.smoke_tested
def check_unit_is_enabled(
    pack_unit: str, at_boot: dict[str, bool] = on_target(lambda pack_unit: units.enabled(pack_unit))
) -> None:
    """The application server starts at boot."""
    if not at_boot[pack_unit]:
        raise NoGo(
            f"{pack_unit} on the target",
            expected="enabled",
            found="not enabled",
            remedy=f"systemctl enable {pack_unit}",
        )


def check_unit_can_start(
    pack_unit: str,
    plan: Plan,
    shown: dict[str, str] = on_target(
        lambda pack_unit: units.shown(pack_unit, "LoadState", "User", "NeedDaemonReload")
    ),
    program: str = on_target(lambda pack_unit: units.program(pack_unit)),
) -> None:
    """The unit is loaded without a mistake, runs as the application's user, and what it starts is there."""
    found = (shown.get("LoadState"), shown.get("User"), bool(program), shown.get("NeedDaemonReload"))
    must_equal(
        f"{pack_unit} on the target (state, user, its program is there, changed since systemd read it)",
        expected=("loaded", plan.application.user, True, "no"),
        found=found,
        remedy="run `gonogo run --until pack_configured`",
    )
