"""The application servers are installed as units that start at boot."""

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.facts import units
from fixtures.facts.wanted import on_target
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.pack_configured


@pytest.mark.smoke_tested
def check_unit_is_enabled(
    pack_unit: str, run: Run, at_boot: dict[str, bool] = on_target(lambda pack_unit: units.enabled(pack_unit))
) -> None:
    """The application server starts at boot, as production's does."""
    if at_boot[pack_unit] < run.records(Survey).units[pack_unit]:
        raise NoGo(
            f"{pack_unit} on the target",
            expected="enabled",
            found="not enabled",
            remedy=f"systemctl enable {pack_unit}",
        )


def check_unit_can_start(
    pack_unit: str,
    run: Run,
    shown: dict[str, str] = on_target(
        lambda pack_unit: units.shown(pack_unit, "LoadState", "User", "NeedDaemonReload")
    ),
    program: str = on_target(lambda pack_unit: units.program(pack_unit)),
) -> None:
    """The unit is loaded without a mistake, runs as production's user, and what it starts is there."""
    starts = bool(program) or pack_unit.endswith(".socket")
    found = (shown.get("LoadState"), shown.get("User", ""), starts, shown.get("NeedDaemonReload"))
    must_equal(
        f"{pack_unit} on the target (state, user, its program is there, changed since systemd read it)",
        expected=("loaded", run.records(Survey).unit_users[pack_unit], True, "no"),
        found=found,
        remedy="run `gonogo run --until pack_configured`",
    )
