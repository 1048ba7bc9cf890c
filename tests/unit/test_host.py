"""Files, marked blocks and the lock of a host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.connect import blocks
from fixtures.connect.host import open_host
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from tests.unit.loopback import running_sshd

LINES = st.lists(st.text("ab# \t", max_size=6), max_size=4)


@given(
    text=LINES.map(lambda lines: "".join(f"{line}\n" for line in lines)),
    lines=LINES,
    at=st.sampled_from(["top", "bottom"]),
)
def test_a_block_goes_in_once_and_comes_out_whole(text, lines, at):
    inside = blocks.put(text, "x", lines, at)
    assert blocks.put(inside, "x", lines, at) == inside
    assert blocks.remove(inside, "x") == text
    assert blocks.remove(inside, "another") == inside


def test_two_markers_do_not_disturb_each_other():
    text = blocks.put(blocks.put("own\n", "one", ["1"], "top"), "two", ["2"], "bottom")
    assert blocks.remove(text, "one") == "own\n# BEGIN gonogo two\n2\n# END gonogo two\n"


@pytest.mark.parametrize(
    "text", ["# BEGIN gonogo x\n", "# END gonogo x\n", "# BEGIN gonogo x\n" * 2 + "# END gonogo x\n"]
)
def test_marks_that_do_not_pair_are_an_error(text):
    with pytest.raises(ValueError, match="gonogo x"):
        blocks.remove(text, "x")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        yield server


@pytest.fixture(scope="module")
def host(sshd):
    host = open_host("target", sshd.login(), lambda path: path)
    yield host
    host.close()


@pytest.fixture(scope="module")
def source(sshd):
    host = open_host("source", sshd.login(), lambda path: path, read_only=True)
    yield host
    host.close()


@pytest.fixture
def config(tmp_path):
    real = tmp_path / "real.conf"
    real.write_bytes(b"own \xff line\n")
    real.chmod(0o640)
    link = tmp_path / "linked.conf"
    link.symlink_to(real)
    return link


def test_a_command_that_fails_names_host_command_and_reason(host):
    assert host.check(["echo", "a  b"]) == "a  b\n"
    assert host.check(["cat"], stdin=b"in") == "in"
    with pytest.raises(StepFailed) as caught:
        host.check(["sh", "-c", "cat >/dev/null; echo reason >&2; exit 3"], stdin=b"hidden")
    assert "target" in caught.value.subject
    assert caught.value.found == "exit code 3: reason"
    assert "hidden" not in str(caught.value)
    assert host.succeeds(["true"])
    assert not host.succeeds(["false"])


def test_a_file_is_written_whole_with_mode_and_owner(host, tmp_path):
    path = tmp_path / "it's a file"
    for content in (b"\x00\xff" * 500_000, b"", "ü\n"):
        host.write_file(str(path), content, mode="0640", owner="nobody:nogroup")
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert (path.stat().st_mode & 0o777, path.owner(), path.group()) == (0o640, "nobody", "nogroup")
    assert host.read_file(str(path)) == "ü\n"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_that_cannot_be_written_leaves_nothing(host, tmp_path):
    with pytest.raises(StepFailed, match="no-such-user"):
        host.write_file(str(tmp_path / "f"), "x", owner="no-such-user")
    with pytest.raises(StepFailed, match="absent"):
        host.write_file(str(tmp_path / "absent" / "f"), "x")
    assert not list(tmp_path.iterdir())


def test_an_upload_that_broke_off_is_not_put_in_place(host, tmp_path):
    from fixtures.connect.host import _WRITE  # noqa: PLC0415 - the script itself is what is tested

    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(StepFailed, match="broke off"):
        host.check(["bash", "-c", _WRITE, "write", str(path), "0644", "root", "1000"], stdin=b"less")
    assert path.read_text() == "old"


def test_a_block_in_a_file_behind_a_link(host, config):
    assert host.edit_block(str(config), "x", ["one", "two"], at="top")
    assert not host.edit_block(str(config), "x", ["one", "two"], at="top")
    assert config.read_bytes() == b"# BEGIN gonogo x\none\ntwo\n# END gonogo x\nown \xff line\n"
    assert config.is_symlink()
    assert config.stat().st_mode & 0o777 == 0o640
    backup = config.parent / ".real.conf.gonogo-backup"
    assert backup.read_bytes() == b"own \xff line\n"
    assert host.remove_block(str(config), "x")
    assert not host.remove_block(str(config), "x")
    assert config.read_bytes() == b"own \xff line\n"
    assert sorted(p.name for p in config.parent.iterdir()) == ["linked.conf", "real.conf"]


@pytest.mark.parametrize(
    "validate", [["grep", "fine", "{file}"], ["grep", "fine", "CONFIG"], ["sh", "-c", "echo bad >&2; false"]]
)
def test_a_block_that_is_not_valid_changes_nothing(host, config, validate):
    command = [str(config) if part == "CONFIG" else part for part in validate]
    with pytest.raises(StepFailed, match="as it was"):
        host.edit_block(str(config), "x", ["bad"], validate=command)
    assert config.read_bytes() == b"own \xff line\n"
    assert sorted(p.name for p in config.parent.iterdir()) == ["linked.conf", "real.conf"]
    if "sh" not in command:
        assert host.edit_block(str(config), "x", ["fine"], validate=command)


def test_a_read_only_host_refuses_by_itself_and_by_the_kernel(source, tmp_path):
    path = str(tmp_path / "f")
    for change in (
        lambda: source.write_file(path, "x"),
        lambda: source.edit_block(path, "x", []),
        lambda: source.remove_block(path, "x"),
        lambda: source.start_unit("x.service", ["true"]),
        lambda: source.stop_unit("x.service"),
    ):
        with pytest.raises(Refused, match="read-only"):
            change()
    with pytest.raises(StepFailed, match="Read-only file system"):
        source.check(["touch", path])


def test_the_lock_has_one_owner(host, source, monkeypatch, tmp_path):
    monkeypatch.setattr("fixtures.connect.host.LOCK", str(tmp_path / "lock"))
    source.lock("run 1 of anna", "final copy")
    source.lock("run 1 of anna", "the same run, started again")
    with pytest.raises(Refused, match=r"run 1 of anna.*final copy") as caught:
        host.lock("run 2 of bert", "rehearsal")
    assert caught.value.remedy.endswith("gonogo lock --free target")
    host.unlock()
    host.lock("run 2 of bert", "rehearsal")
    source.unlock()
    assert not list(tmp_path.iterdir())


def test_a_host_without_root_is_told_at_once(sshd):
    with pytest.raises(CouldNotVerify):
        open_host("target", sshd.login(user="nobody"), lambda path: path)
