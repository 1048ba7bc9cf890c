"""No application server runs on the target while it is filled."""

import pytest

from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts import pack, server, units
from fixtures.facts.fact import HostFact
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.pack import PackAnswer
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


def _at_sockets(plan: Plan) -> dict[str, HostFact[PackAnswer]]:
    return {str(one): pack.listens(one) for one in plan.application.listeners if one.is_socket}


def check_nobody_listens_for_the_pack(
    plan: Plan,
    listeners: list[Listener] = on_target(LISTENERS),
    at_sockets: dict[str, PackAnswer] = on_target(_at_sockets),
) -> None:
    """Nothing listens on the pack's ports and sockets, not even a server that was started by hand."""
    ports = {one.at for one in plan.application.listeners}
    must_be_none(
        "the pack's ports and sockets on the target",
        expected="closed",
        found=[
            *(str(one) for one in listeners if one.protocol == "tcp" and one.port in ports),
            *(socket for socket, answer in at_sockets.items() if answer.status != 0),
        ],
        remedy="find the process with `ss -lxtnp` on the target, and stop it",
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
