"""No application server runs on the target while it is filled."""

import pytest

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.plan import Plan

pytestmark = pytest.mark.target_stopped


def check_pack_unit_is_stopped(pack_unit: str, target: Host) -> None:
    """No application server of the target runs."""
    state = target.check(["systemctl", "show", "--property=ActiveState", "--value", "--", pack_unit]).strip()
    if state not in ("inactive", "failed"):
        raise NoGo(f"{pack_unit} on the target", expected="stopped", found=state, remedy=f"systemctl stop {pack_unit}")


def check_nobody_listens_for_the_pack(plan: Plan, target: Host) -> None:
    """Nothing listens on the pack's ports, started by hand or otherwise."""
    ports = " or ".join(f"sport = :{port}" for port in plan.application.ports)
    listening = target.check(["ss", "-Htlnp", f"( {ports} )"]).strip()
    if listening:
        raise NoGo("the pack's ports on the target", expected="closed", found=listening, remedy="stop that process")


def check_no_session_of_the_application(plan: Plan, target_db: Database) -> None:
    """No session of the application is open in the target's database."""
    count = target_db.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = ANY(%s)",
        (plan.database.name, [plan.database.role, *plan.database.other_roles]),
        dbname="postgres",
    )
    if count != 0:
        raise NoGo(
            f"sessions in {plan.database.name} on the target",
            expected="none of the application's roles",
            found=count,
            remedy="see pg_stat_activity on the target, and stop what opened them",
        )
