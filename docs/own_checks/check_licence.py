"""The licence server can be reached from the target, before the night: list its address in rehearsal.egress of the plan."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import egress
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_target
from fixtures.scripts import text

# Yours: the licence server, by its address or a name that the target knows.
SERVER, PORT = "licences.example.org", 27000
TRIED = HostFact(("perl", "-e", text(egress.__file__, "connect.pl"), SERVER, str(PORT)), egress.read_attempts)


@pytest.mark.application_running
def check_licence_server_is_reached(tried: dict[str, str] = on_target(TRIED)) -> None:
    """The target reaches the licence server."""
    way = egress.way(SERVER, PORT)
    if tried[way] != "connected":
        raise NoGo(
            f"{way}, asked by the target",
            expected="connected",
            found=tried[way],
            remedy="list it in rehearsal.egress, and have its firewall let the target in",
        )
