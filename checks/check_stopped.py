"""No application server runs on the target while it is filled."""

import pytest

from checks.equality import must_be_none
from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import server, units
from fixtures.facts.fact import ask
from fixtures.facts.listeners import LISTENERS
from fixtures.plan import Plan

pytestmark = pytest.mark.target_stopped


def check_pack_unit_is_stopped(pack_unit: str, target: Host) -> None:
    """No application server of the target runs."""
    (state,) = ask(target, units.states(pack_unit))
    if state not in ("inactive", "failed"):
        raise NoGo(f"{pack_unit} on the target", expected="stopped", found=state, remedy=f"systemctl stop {pack_unit}")


def check_nobody_listens_for_the_pack(plan: Plan, target: Host) -> None:
    """Nothing listens on the pack's ports, not even a server that was started by hand."""
    found = [
        socket
        for socket in ask(target, LISTENERS)
        if socket.protocol == "tcp" and socket.port in plan.application.ports
    ]
    must_be_none(
        "the pack's ports on the target",
        expected="closed",
        found=found,
        remedy="find the process with `ss -ltnp` on the target, and stop it",
    )


def check_no_session_of_the_application(plan: Plan, target_db: Database) -> None:
    """No session of the application is open in the target's database."""
    own = [plan.database.role, *plan.database.other_roles]
    count = ask(target_db, server.sessions_of(plan.database.name, own))
    if count != 0:
        raise NoGo(
            f"sessions in {plan.database.name} on the target",
            expected="none of the application's roles",
            found=count,
            remedy="see pg_stat_activity on the target, and stop what opened them",
        )
