"""`gonogo hosts`: the block is added, shown and removed."""

import pytest
from typer.testing import CliRunner

from fixtures.connect import hostsfile
from fixtures.errors import GonogoError
from fixtures.run.journal import Accepted
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from steps.cli import hosts as cli_hosts
from steps.cli.cli import app
from tests.unit.example import EXAMPLE_TEXT
from tests.unit.hostsfiles import BLOCK, TEXT


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An operator's desk: a plan, a run with a target, and a hosts file."""
    monkeypatch.setattr(cli_hosts, "RUNS", tmp_path / "runs")
    (tmp_path / "plan.toml").write_text(EXAMPLE_TEXT)
    (tmp_path / "hosts").write_bytes(TEXT.encode() + b"\n10.0.0.1 caf\xe9\r\n")
    (tmp_path / "hosts").chmod(0o640)
    return tmp_path


def launched(desk, ipv6=""):
    run = Run(desk / "runs" / "20261101T000000Z-smallpayroll")
    run.record(
        TargetFacts(instance_id="i", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e",
                    volume_id="v", security_group_id="s", ipv6_address=ipv6)
    )  # fmt: skip
    return run


def gonogo(desk, verb):
    done = CliRunner().invoke(app, ["hosts", verb, "--plan", str(desk / "plan.toml"), "--file", str(desk / "hosts")])
    return done.exit_code, " ".join((done.output + done.stderr).split())


def test_the_block_is_added_once_and_removed_without_a_trace(desk):
    launched(desk)
    before, mode = (desk / "hosts").read_bytes(), (desk / "hosts").stat()
    for _ in range(2):
        code, said = gonogo(desk, "add")
        assert code == 0, said
        assert "192.0.2.4 app.smallpayroll.test www.smallpayroll.test" in said
        assert (desk / "hosts").read_bytes() == before + BLOCK.encode()
    after = (desk / "hosts").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (mode.st_mode, mode.st_uid, mode.st_gid)
    code, said = gonogo(desk, "show")
    assert "(gonogo)" in said
    assert "Windows" in said
    assert gonogo(desk, "remove")[0] == 0
    assert (desk / "hosts").read_bytes() == before
    assert sorted(path.name for path in desk.iterdir()) == ["hosts", "plan.toml", "runs"]
    assert "there was no block" in gonogo(desk, "remove")[1]


def test_add_refuses_beside_a_foreign_entry_without_a_target_and_after_acceptance(desk):
    assert "none yet" in gonogo(desk, "add")[1]
    run = launched(desk)
    own = (desk / "hosts").read_bytes()
    (desk / "hosts").write_bytes(own + b"1.2.3.4 www.smallpayroll.test\n")
    code, said = gonogo(desk, "add")
    assert code != 0
    assert "1.2.3.4 www.smallpayroll.test" in said
    (desk / "hosts").write_bytes(own)
    run.journal(Accepted())
    code, said = gonogo(desk, "add")
    assert code != 0
    assert "was accepted" in said
    assert (desk / "hosts").read_bytes() == own


def test_a_target_with_ipv6_gets_a_line_for_it_too(desk):
    launched(desk, "2001:db8::4")
    assert gonogo(desk, "add")[0] == 0
    assert "\n2001:db8::4 app.smallpayroll.test www.smallpayroll.test\n" in (desk / "hosts").read_text(errors="replace")


def test_broken_marks_and_absent_files_are_one_clear_error(desk):
    launched(desk)
    (desk / "hosts").write_text("# END gonogo hosts smallpayroll\n")
    for verb in ("add", "remove", "show"):
        code, said = gonogo(desk, verb)
        assert (code, "stands alone" in said) == (1, True)
    with pytest.raises(GonogoError, match="--file"):
        hostsfile.read(desk / "none")
    with pytest.raises(GonogoError, match="writing"):
        hostsfile.replace(desk / "none", "")
