"""The hosts file: gonogo's block goes in and out, nothing else moves, and a stale entry is seen for what it is."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from checks import check_hosts
from fixtures.connect import hostsfile
from fixtures.errors import CouldNotVerify, GonogoError, NoGo
from fixtures.plan import parse_plan
from fixtures.run.journal import Accepted
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from steps.cli import hosts as cli_hosts
from steps.cli.cli import app

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs" / "plan.example.toml").read_text()
PLAN = parse_plan(EXAMPLE, Path("plan.toml"))
TEXT = "127.0.0.1\tlocalhost\n# 1.2.3.4 app.smallpayroll.test\n::1 localhost ip6-localhost"
BLOCK = (
    "# BEGIN gonogo hosts smallpayroll\n192.0.2.4 app.smallpayroll.test www.smallpayroll.test\n"
    "# END gonogo hosts smallpayroll\n"
)


def test_the_block_names_every_name_of_the_plan():
    assert hostsfile.added(TEXT, PLAN, ["192.0.2.4"]) == f"{TEXT}\n{BLOCK}"


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from(["192.0.2.4", "2001:db8::4"]), max_size=2),
)
def test_what_goes_in_comes_out_again_and_nothing_else_moves(text, addresses):
    inside = hostsfile.added(text, PLAN, addresses)
    assert hostsfile.added(inside, PLAN, addresses) == inside
    outside = hostsfile.removed(inside, PLAN)
    assert outside in (text, f"{text}\n")


def stale(text, own=(), fine=True):
    return [str(line) for line in hostsfile.stale(hostsfile.lines_about(text, PLAN), own, ours_are_fine=fine)]


@pytest.mark.parametrize(
    ("line", "own", "bad"),
    [
        ("127.0.1.1 app.smallpayroll.test app", [], False),
        ("::1 app.smallpayroll.test", [], False),
        ("198.51.100.10 app.smallpayroll.test", ["198.51.100.10"], False),
        ("198.51.100.10 app.smallpayroll.test", ["192.0.2.4"], True),
        ("192.0.2.9 other App.SmallPayroll.test. # since spring", [], True),
        ("192.0.2.9 www.smallpayroll.test", [], True),
        ("192.0.2.9 other.test # app.smallpayroll.test", [], False),
        ("#192.0.2.9 app.smallpayroll.test", [], False),
        ("nonsense app.smallpayroll.test", [], True),
        ("127.0.0.1 app.smallpayroll.test", None, True),
        ("fe80::1%eth0 app.smallpayroll.test", ["fe80::1"], False),
    ],
)
def test_an_entry_is_stale_when_it_leads_elsewhere_than_to_the_host_itself(line, own, bad):
    assert bool(stale(f"{TEXT}\n{line}\n", own)) is bad


def test_gonogos_block_is_fine_before_and_forgotten_after():
    text = f"{BLOCK}192.0.2.4 app.smallpayroll.test\n"
    assert stale(text) == ["line 4: 192.0.2.4 app.smallpayroll.test"]
    assert stale(text, ["192.0.2.4"], fine=False) == ["line 2: 192.0.2.4 app.smallpayroll.test www.smallpayroll.test"]


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


# --- the commands -------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An operator's desk: a plan, a run with a target, and a hosts file."""
    monkeypatch.setattr(cli_hosts, "RUNS", tmp_path / "runs")
    (tmp_path / "plan.toml").write_text(EXAMPLE)
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
