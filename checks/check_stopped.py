"""No application server runs on the target while it is filled."""

import pytest

from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts import server, units
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.wanted import in_target_db, on_target
from fixtures.plan import Plan

pytestmark = pytest.mark.target_stopped


def check_pack_unit_is_stopped(
    pack_unit: str, states: list[str] = on_target(lambda pack_unit: units.states(pack_unit))
) -> None:
    """No application server of the target runs."""
    (state,) = states
    if state not in ("inactive", "failed"):
        raise NoGo(f"{pack_unit} on the target", expected="stopped", found=state, remedy=f"systemctl stop {pack_unit}")


def check_nobody_listens_for_the_pack(plan: Plan, listeners: list[Listener] = on_target(LISTENERS)) -> None:
    """Nothing listens on the pack's ports, not even a server that was started by hand."""
    found = [one for one in listeners if one.protocol == "tcp" and one.port in plan.application.ports]
    must_be_none(
        "the pack's ports on the target",
        expected="closed",
        found=found,
        remedy="find the process with `ss -ltnp` on the target, and stop it",
    )


def check_no_session_of_the_application(
    plan: Plan,
    count: int = in_target_db(
        lambda plan: server.sessions_of(plan.database.name, [plan.database.role, *plan.database.other_roles])
    ),
) -> None:
    """No session of the application is open in the target's database."""
    if count != 0:
        raise NoGo(
            f"sessions in {plan.database.name} on the target",
            expected="none of the application's roles",
            found=count,
            remedy="see pg_stat_activity on the target, and stop what opened them",
        )
