"""The commands of the copies, to the letter."""

import os
import shlex
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.plan import Plan
from steps.tools import copying
from tests.unit.answers import Answers

SSH = copying.ssh_command("/run/gonogo/keys/r/p", "admin", "198.51.100.20")


def test_the_key_can_do_one_thing_from_one_address() -> None:
    line = copying.authorized_line("ssh-ed25519 AAAA gonogo\n", ["198.51.100.10"], ["sh", "-c", 'echo "$HOME"'])
    assert line == ('restrict,from="198.51.100.10",command="sh -c \'echo \\"$HOME\\"\'" ssh-ed25519 AAAA gonogo')


def test_ssh_knows_one_host_key_and_asks_nothing() -> None:
    assert SSH[:4] == ["ssh", "-F", "/dev/null", "-T"]
    assert SSH[-1] == "admin@198.51.100.20"
    for option in (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
    ):
        assert option in SSH
    assert "UserKnownHostsFile=/run/gonogo/keys/r/p/known_hosts" in SSH


def test_known_hosts_names_the_target_alone() -> None:
    assert copying.known_hosts("198.51.100.20", ["ssh-ed25519 A", "ecdsa B"]) == (
        "198.51.100.20 ssh-ed25519 A\n198.51.100.20 ecdsa B\n"
    )


def test_copies_come_only_from_where_the_plan_says(plan: Plan) -> None:
    assert copying.copying_addresses(plan) == ["198.51.100.10"]
    without = plan.model_copy(update={"target": plan.target.model_copy(update={"copying": []})})
    with pytest.raises(Refused, match=r"target\.copying"):
        copying.copying_addresses(without)


def test_rsync_keeps_owners_by_name_and_deletes_nothing_unasked() -> None:
    command = copying.rsync_command(SSH, "/srv/files/")
    assert command[:3] == ["rsync", "-rlptgoHAXS", "--filter=-x! user.*"]
    assert command[command.index("--rsh") + 1] == shlex.join(SSH[:-1])
    assert command[-3:] == ["--", "/srv/files/", "admin@198.51.100.20:/"]
    assert not [part for part in command if "delete" in part or "numeric" in part]


def test_rsync_deletes_up_to_a_bound() -> None:
    command = copying.rsync_command(SSH, "/srv/files", delete=True, max_delete=7)
    assert "--delete-delay" in command
    assert "--max-delete=7" in command
    dry = copying.rsync_command(SSH, "/srv/files", delete=True, max_delete=7, dry_run=True)
    assert "--dry-run" in dry
    assert "--max-delete=7" not in dry


def test_the_dry_run_tells_what_would_go() -> None:
    printed = ">f+++++++++ new\n*deleting   old one\n.d..t...... ./\n*deleting   b/\n"
    assert copying.deletions(printed) == ["old one", "b/"]


def test_the_server_is_confined_to_one_directory() -> None:
    shell, option, words = copying.rsync_server("/srv/my files", "/home/app")
    assert (shell, option) == ("sh", "-c")
    assert words == (
        "exec sudo -n unshare --mount --propagation private bash /run/gonogo/confined.sh '/srv/my files' /home/app"
        ' bash /run/gonogo/receive.sh "$SSH_ORIGINAL_COMMAND"'
    )


@pytest.mark.parametrize(
    "said",
    [
        "ssh-ed25519 AAAA gonogo\nssh-ed25519 EVIL",
        "AAAA",
        "",
        'ssh-ed25519 AAAA x\r\ncommand="id" ssh-rsa B',
        "ssh-rsa AA\x1b[2J",
    ],
)
def test_what_is_no_key_of_one_line_lets_nobody_in(said: str) -> None:
    with pytest.raises(StepFailed, match="one line that holds a key"):
        copying.authorized_line(said, ["198.51.100.10"], ["true"])


# --- the push itself: rsync runs here, its receiving end as on the target -----------------------------------------------


@pytest.fixture
def push(tmp_path):
    """Pushes `here` to `there` as production does, or with options of its own; gives rsync's exit code and words."""
    (tmp_path / "here/sub").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / "here" / name).write_text(f"content of {name}")
    tools = Path(copying.__file__).parent
    server = [
        *copying._ALONE,
        "bash",
        tools / "confined.sh",
        tmp_path / "there",
        "/home/app",
        "bash",
        tools / "receive.sh",
    ]
    remote = tmp_path / "rsh"
    remote.write_text(f'#!/bin/bash\nshift\nexec {shlex.join(map(str, server))} "$*"\n')
    remote.chmod(0o755)

    def pushed(*options: str, honest: bool = True) -> tuple[int, str]:
        command = copying.rsync_command([str(remote), "target"], str(tmp_path / "here"), delete=True, max_delete=5)
        if not honest:
            command = ["rsync", *options, "--rsh", str(remote), "--", f"{tmp_path}/here/", "target:/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    pushed.here, pushed.there = tmp_path / "here", tmp_path / "there"
    return pushed


def laid_out(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): oct(path.lstat().st_mode) for path in sorted(root.rglob("*"))}


def test_a_push_carries_content_modes_links_owners_and_users_attributes(push) -> None:
    here, there = push.here, push.there
    (here / "sub").chmod(0o2775)
    (here / "link").symlink_to("/etc/passwd")
    os.link(here / "a", here / "second-name")
    os.chown(here / "sub/b", 1, 1)
    os.setxattr(here / "a", "user.mark", b"1")
    (there / "gone").touch()
    code, words = push()
    assert code == 0, words
    assert laid_out(there) == laid_out(here)
    assert (there / "sub").stat().st_mode & 0o7777 == 0o2775, "setgid of a directory comes along"
    assert (there / "sub/b").stat().st_uid == 1
    assert (there / "a").stat().st_ino == (there / "second-name").stat().st_ino
    assert os.getxattr(there / "a", "user.mark") == b"1"
    assert push() == (0, ""), "and nothing is left to do"


def hostile(here: Path) -> None:
    """What gives root to somebody."""
    (here / "a").chmod(0o6755)
    (here / "sub/b").chmod(0o2711)
    os.mknod(here / "disk", 0o666 | 0o060000, os.makedev(8, 0))
    os.mkfifo(here / "fifo")
    (here / "capable").write_text("x")
    os.setxattr(here / "capable", "security.capability", bytes.fromhex("0100000280000000000000000000000000000000"))
    os.setxattr(here / "capable", "trusted.x", b"1")


@pytest.mark.parametrize("honest", [True, False])
def test_nothing_that_gives_root_arrives(push, honest: bool) -> None:
    hostile(push.here)
    code, words = push("-rlptgoHAXS", honest=honest)
    assert code == 0, words
    assert laid_out(push.there) == {
        "a": oct(0o100755), "sub": oct(0o040755), "sub/b": oct(0o100711), "capable": oct(0o100644),
    }  # fmt: skip
    assert os.listxattr(push.there / "capable") == []


@pytest.mark.parametrize(
    "options",
    [
        ["-aHAXS"],  # devices
        ["-rlptgo", "--backup-dir=/etc"],
        ["-rlptgo", "-M--log-file=/etc/evil"],
        ["-rlptgo", "-M--fake-super"],
        ["-rlptgoK"],  # through links of the receiver's
        ["-rlptgo", "-M--chmod=u+s"],
        ["-rlptgo", "--delete", "--delete-excluded"],
        ["-rlptgo", "--inplace"],
        ["-rlptgo", "--partial-dir=/tmp/x"],
    ],
    ids=lambda options: options[-1],
)
def test_what_our_own_pushes_never_ask_for_is_refused(push, options: list[str]) -> None:
    hostile(push.here)
    code, words = push(*options, honest=False)
    assert code != 0
    assert "refused: rsync --server" in words
    assert laid_out(push.there) == {}


@pytest.mark.parametrize(
    "asked",
    [
        "", "id", "rsync --server -e.LsfxCIvu . /etc/", "rsync --server --sender -lHogtpAXrSe.LsfxCIvu . /",
        "rsync --server -lHogtpAXrSe.LsfxCIvu . / /etc", "rsync --server -lre.x . /\nid", "rsync --server -lre.x --daemon . /",
        "rsync --server -lre.x --timeout=1;id . /", "rsync --server -lre.x . /; id",
    ],
)  # fmt: skip
def test_the_source_cannot_say_anything_else(asked: str, tmp_path) -> None:
    script = Path(copying.__file__).parent / "receive.sh"
    done = subprocess.run(
        ["bash", str(script), asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("refused: ")


def test_a_link_on_the_target_leads_a_push_nowhere(push, tmp_path) -> None:
    (tmp_path / "outside").mkdir()
    (push.there / "sub").symlink_to(tmp_path / "outside")
    (push.there / "a").symlink_to(tmp_path / "outside/a")
    code, words = push()
    assert code == 0, words
    assert laid_out(push.there) == laid_out(push.here)
    assert not list((tmp_path / "outside").iterdir())


LISTED = '{"filesystems": [{"target": "/", "source": "a"}, {"target": "/srv", "source": "b", "options": "nofail"}]}'


@pytest.mark.parametrize(
    ("there", "mounted", "first", "found"),
    [
        (True, True, "/srv/files/a", ""),
        (False, True, "", "no such directory"),
        (True, False, "", "/srv is not mounted"),
        (True, True, "", "an empty directory"),
    ],
)
def test_a_directory_that_would_empty_the_targets_is_refused(there, mounted, first, found) -> None:
    host = SimpleNamespace(
        name="source",
        shell=Answers(LISTED).shell,
        succeeds=lambda argv: mounted and argv == ["mountpoint", "-q", "/srv"],
        file=lambda _: SimpleNamespace(is_directory=there),
        check=lambda _: first,
    )
    with pytest.raises(Refused, match=found) if found else nullcontext():
        copying.refuse_empty(host, "/srv/files")


class Disk:
    """A disk that fills, and then answers no more."""

    def __init__(self, *free: int) -> None:
        self.free = list(free)

    def check(self, argv: list[str], timeout: float = 60) -> str:
        if not self.free:
            raise StepFailed("`df` on target", expected="exit code 0", found="nothing", remedy="see that it is up")
        return f"    Avail\n{self.free.pop(0)}\n"


def test_a_copy_says_how_fast_the_target_fills_and_how_much_room_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(copying, "EVERY", 0.0)
    arriving = copying.Arriving(Disk(9_000_000, 2_000_000), "/srv", "the database")  # type: ignore[arg-type]
    with caplog.at_level("INFO"):
        for _ in range(3):
            arriving()
    first, second, third = caplog.messages
    assert first.startswith("copying the database for 0 s: 0 MB more on the target's disk")
    assert "7 MB more on the target's disk" in second
    assert second.endswith("2 MB are free there")
    assert "the target does not say how much room it has left" in third


def test_between_two_lines_nothing_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        copying.Arriving(Disk(), "/srv", "the database")()  # type: ignore[arg-type]
    assert not caplog.messages
