"""The hosts file of the operator's own machine: the checks, each seen red."""

from types import SimpleNamespace

import pytest

from checks import check_hosts
from fixtures.connect import hostsfile
from fixtures.errors import CouldNotVerify, NoGo
from tests.unit.example import PLAN
from tests.unit.hostsfiles import BLOCK, TEXT


def test_the_operators_own_machine_is_looked_at_too(tmp_path, monkeypatch):
    monkeypatch.setattr(hostsfile, "PATH", tmp_path / "hosts")
    desk = SimpleNamespace(plan=PLAN)
    (tmp_path / "hosts").write_text(TEXT)
    check_hosts.check_no_hosts_entry_is_forgotten("operator", desk)
    (tmp_path / "hosts").write_text(BLOCK)
    check_hosts.check_no_hosts_entry_hides_a_host("operator", desk)
    with pytest.raises(NoGo, match="gonogo hosts remove"):
        check_hosts.check_no_hosts_entry_is_forgotten("operator", desk)
    (tmp_path / "hosts").write_text("127.0.0.1 app.smallpayroll.test\n")
    with pytest.raises(NoGo, match="line 1"):
        check_hosts.check_no_hosts_entry_hides_a_host("operator", desk)
    (tmp_path / "hosts").write_text("# END gonogo hosts smallpayroll\n")
    with pytest.raises(CouldNotVerify, match="stands alone"):
        check_hosts.check_no_hosts_entry_hides_a_host("operator", desk)
