"""Closing production: what is asked while requests drain."""

from fixtures.plan import Plan
from steps.night import cutover


def test_the_drain_asks_for_the_packs_ports(plan: Plan) -> None:
    assert cutover.connections_command(plan)[-1] == "( sport = :3001 or sport = :3002 )"
