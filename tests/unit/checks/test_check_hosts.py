"""Hosts files of all machines: the checks, each seen red."""

import pytest

from checks import check_hosts
from fixtures.connect import hostsfile
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.here import HostsFileFact
from fixtures.facts.machine import ADDRESSES, HOSTS_FILE
from fixtures.facts.wanted import wanted_by
from tests.unit.example import FACTS, PLAN
from tests.unit.hostsfiles import BLOCK, TEXT

CHECKS = (check_hosts.check_no_hosts_entry_hides_a_host, check_hosts.check_no_hosts_entry_is_forgotten)
HIDES, FORGOTTEN = CHECKS


def judge(check, machine, run, text, addresses=()):
    said = {"text": text, "addresses": list(addresses)}
    answers = [said if machine == name else {} for name in ("operator", "source", "target")]
    check(machine, PLAN, run, *answers)


def test_the_operators_own_machine_is_looked_at_too(run):
    judge(FORGOTTEN, "operator", run, TEXT)
    judge(HIDES, "operator", run, BLOCK)
    with pytest.raises(NoGo, match="gonogo hosts remove"):
        judge(FORGOTTEN, "operator", run, BLOCK)
    with pytest.raises(NoGo, match="line 1"):
        judge(HIDES, "operator", run, "127.0.0.1 app.smallpayroll.test\n")
    with pytest.raises(CouldNotVerify, match="stands alone"):
        judge(HIDES, "operator", run, "# END gonogo hosts smallpayroll\n")


def test_a_server_may_know_itself_and_no_other(run):
    run.record(FACTS)
    own = {"source": str(PLAN.source.public_address), "target": FACTS.public_address}
    for check in CHECKS:
        for machine, other in (("source", "target"), ("target", "source")):
            for address in ("127.0.1.1", "10.9.8.7", own[machine]):
                judge(check, machine, run, f"{address} app.smallpayroll.test\n", ["10.9.8.7"])
            with pytest.raises(NoGo, match=own[other]):
                judge(check, machine, run, f"{own[other]} app.smallpayroll.test\n", ["10.9.8.7"])


@pytest.mark.parametrize("machine", ["operator", "source", "target"])
@pytest.mark.parametrize("check", CHECKS)
def test_each_machine_is_asked_for_its_own_file_and_its_file_alone(check, machine, run):
    wanted = {name: one.made_of({"machine": machine}) for name, one in wanted_by(check).items()}
    host = {"text": HOSTS_FILE, "addresses": ADDRESSES}
    assert wanted == {
        "operators": {"text": HostsFileFact(hostsfile.PATH)} if machine == "operator" else {},
        "sources": host if machine == "source" else {},
        "targets": host if machine == "target" else {},
    }
    run.record(FACTS)
    with pytest.raises(KeyError):
        check(machine, PLAN, run, {}, {}, {})
