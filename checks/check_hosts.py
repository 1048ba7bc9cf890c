"""No hosts file leads production's names away from where DNS has them."""

from collections.abc import Sequence

import pytest

from checks.equality import must_be_none
from fixtures.connect import hostsfile
from fixtures.connect.connections import Connections
from fixtures.errors import CouldNotVerify
from fixtures.facts.fact import ask
from fixtures.facts.machine import ADDRESSES
from fixtures.run.records import TargetFacts


@pytest.mark.rehearsed
def check_no_hosts_entry_hides_a_host(machine: str, connections: Connections) -> None:
    """No hosts file leads production's names elsewhere: the tests reached the hosts that they were meant for."""
    _no_entry_left(machine, connections, ours_are_fine=True)


@pytest.mark.accepted
def check_no_hosts_entry_is_forgotten(machine: str, connections: Connections) -> None:
    """No entry for production's names is left in any hosts file, gonogo's own block included."""
    _no_entry_left(machine, connections, ours_are_fine=False)


def _no_entry_left(machine: str, connections: Connections, *, ours_are_fine: bool) -> None:
    text, own = _hosts_file(machine, connections)
    try:
        lines = hostsfile.lines_about(text, connections.plan)
    except ValueError as error:
        raise CouldNotVerify(
            f"{hostsfile.PATH} of the {machine}",
            expected="gonogo's block with a BEGIN and an END line",
            found=str(error),
            remedy="correct gonogo's BEGIN and END lines in that file by hand",
        ) from None
    stale = hostsfile.stale(lines, own, ours_are_fine=ours_are_fine)
    must_be_none(
        f"{hostsfile.PATH} of the {machine}",
        expected="no entry for the plan's names but the host's own"
        + (", and gonogo's block" if ours_are_fine else " (gonogo's block must be gone by now)"),
        found=stale,
        remedy="take these lines out of the file; gonogo's own block: `gonogo hosts remove`",
    )


def _hosts_file(machine: str, connections: Connections) -> tuple[str, Sequence[str] | None]:
    """A machine's hosts file, and the addresses that are its own; the operator's serves none of the names."""
    if machine == "operator":
        return hostsfile.read(hostsfile.PATH), None
    host = connections.source if machine == "source" else connections.target
    own = ask(host, ADDRESSES)
    if machine == "source":
        own += connections.plan.source.addresses
    else:
        facts = connections.run.records(TargetFacts)
        own += [facts.public_address, facts.ipv6_address]
    return host.read_bytes(str(hostsfile.PATH)).decode(errors="surrogateescape"), own
