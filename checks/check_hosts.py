"""No hosts file leads production's names away from where DNS has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from checks.equality import must_be_none
from fixtures.connect import hostsfile
from fixtures.errors import CouldNotVerify
from fixtures.facts.fact import HostFact
from fixtures.facts.here import HostsFileFact, hosts_file
from fixtures.facts.machine import ADDRESSES, HOSTS_FILE
from fixtures.facts.wanted import here, on_source, on_target
from fixtures.plan import Plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run


def _of_operator(machine: str) -> dict[str, HostsFileFact]:
    return {"text": hosts_file()} if machine == "operator" else {}


def _of_host(machine: str, name: str) -> dict[str, HostFact[Any]]:
    return {"text": HOSTS_FILE, "addresses": ADDRESSES} if machine == name else {}


_ON_OPERATORS: dict[str, str] = here(_of_operator)
_ON_SOURCE: dict[str, Any] = on_source(lambda machine: _of_host(machine, "source"))
_ON_TARGET: dict[str, Any] = on_target(lambda machine: _of_host(machine, "target"))


@pytest.mark.rehearsed
def check_no_hosts_entry_hides_a_host(
    machine: str,
    plan: Plan,
    run: Run,
    operators: dict[str, str] = _ON_OPERATORS,
    sources: dict[str, Any] = _ON_SOURCE,
    targets: dict[str, Any] = _ON_TARGET,
) -> None:
    """No hosts file leads production's names elsewhere: the tests reached the hosts that they were meant for."""
    text, own = _hosts_file(machine, plan, run, operators | sources | targets)
    _no_entry_left(machine, plan, text, own, ours_are_fine=True)


@pytest.mark.accepted
def check_no_hosts_entry_is_forgotten(
    machine: str,
    plan: Plan,
    run: Run,
    operators: dict[str, str] = _ON_OPERATORS,
    sources: dict[str, Any] = _ON_SOURCE,
    targets: dict[str, Any] = _ON_TARGET,
) -> None:
    """No entry for production's names is left in any hosts file, gonogo's own block included."""
    text, own = _hosts_file(machine, plan, run, operators | sources | targets)
    _no_entry_left(machine, plan, text, own, ours_are_fine=False)


def _no_entry_left(machine: str, plan: Plan, text: str, own: Sequence[str] | None, *, ours_are_fine: bool) -> None:
    try:
        lines = hostsfile.lines_about(text, plan)
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


def _hosts_file(machine: str, plan: Plan, run: Run, said: Mapping[str, Any]) -> tuple[str, Sequence[str] | None]:
    """A machine's hosts file, and the addresses that are its own; the operator's serves none of the names."""
    if machine == "operator":
        return said["text"], None
    if machine == "source":
        return said["text"], [*said["addresses"], *plan.source.addresses]
    facts = run.records(TargetFacts)
    return said["text"], [*said["addresses"], facts.public_address, facts.ipv6_address]
