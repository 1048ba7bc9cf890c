"""A whole lab as the command line sees it: up, up again, beside another one, killed, down."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import GonogoError
from fixtures.lab import control
from fixtures.lab.control import lab_call, lab_down, lab_names, lab_shell, lab_status, lab_up
from fixtures.plan import load_plan

ONE, TWO = "test-one", "test-two"


@pytest.fixture(autouse=True, scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("labs")
        patch.setenv("GONOGO_LAB_STATE", str(directory))
        yield directory
        for name in (ONE, TWO):
            lab_down(name)


def daemons(name: str) -> dict[str, int]:
    """The pids of the lab's two daemons."""
    shown = subprocess.run(["ps", "-ww", "-eo", "pid,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in shown.splitlines()]
    return {
        row[-3]: int(row[0])
        for row in rows
        if row[-2:-1] == [name] and row[2:4] == ["-m", "fixtures.lab.daemon"]
    }  # fmt: skip


def up(name: str, **options: object) -> list[str]:
    lines: list[str] = []
    status = lab_up(name, progress=lines.append, **options)  # type: ignore[arg-type]
    assert status.state == "up"
    assert all(host.running for host in status.hosts)
    return lines


def nothing_left(name: str, number: int) -> None:
    deadline = time.monotonic() + 30
    groups = list(Path("/sys/fs/cgroup").rglob(f"gonogo-{name}"))
    while groups or daemons(name) or Path("/sys/class/net", f"gonogo{number}").exists():
        assert time.monotonic() < deadline, groups or daemons(name) or "the link"
        time.sleep(0.1)
        groups = list(Path("/sys/fs/cgroup").rglob(f"gonogo-{name}"))
    assert name not in Path("/proc/self/mountinfo").read_text()


def test_up_says_each_part_and_writes_a_plan():
    lines = up(ONE)
    assert any("production host" in line for line in lines)
    status = lab_status(ONE)
    assert {"production", "ns1", "ns2", "resolver"} <= {host.name for host in status.hosts}
    plan = load_plan(status.plan)
    assert str(plan.source.address) == f"198.18.{status.number}.10"
    assert status.directory.stat().st_mode & 0o777 == 0o700
    assert ONE in lab_names()


def test_up_twice_changes_nothing():
    before = daemons(ONE)
    up(ONE)
    assert daemons(ONE) == before
    assert len(before) >= 2


def test_another_variant_is_not_what_is_up():
    with pytest.raises(GonogoError, match="smallpayroll, the first variant, which is up"):
        up(ONE, variant="second")


def test_hosts_are_asked_and_moved():
    assert lab_call(ONE, "run", "production", ["cat"], b"through")[:2] == (0, b"through")
    boot = lab_call(ONE, "run", "ns2", ["cat", "/proc/sys/kernel/random/boot_id"])
    lab_call(ONE, "host", "reboot", "ns2")
    assert lab_call(ONE, "run", "ns2", ["cat", "/proc/sys/kernel/random/boot_id"]) != boot
    lab_call(ONE, "host", "power-cut", "ns2")
    assert not {host.name: host.running for host in lab_status(ONE).hosts}["ns2"]
    lab_call(ONE, "host", "start", "ns2")


def test_a_shell_is_in_the_host(capfd: pytest.CaptureFixture[str]):
    assert lab_shell(ONE, "production", ["sh", "-c", "hostname; exit 3"]) == 3
    assert capfd.readouterr().out == "production\n"


@pytest.mark.parametrize("message", [("host", "start", "nobody"), ("host", "paint", "ns1"), ("dance",)])
def test_what_the_lab_cannot_do_is_one_error(message: tuple[str, ...]):
    with pytest.raises(GonogoError, match="expected: one of"):
        lab_call(ONE, *message)


def test_a_second_lab_has_its_own_addresses():
    up(TWO)
    one, two = lab_status(ONE).number, lab_status(TWO).number
    assert None not in (one, two)
    assert one != two
    ask = ["curl", "-sk", "--connect-to", "::127.0.0.1:", "https://app.smallpayroll.test/healthz"]
    health = lab_call(TWO, "run", "production", ask)
    assert b'"database":"ok"' in health[1]
    lab_down(TWO, progress=lambda _: None)
    nothing_left(TWO, two or 0)
    assert lab_status(ONE).state == "up"


def test_a_number_that_is_taken_is_refused():
    with pytest.raises(GonogoError, match="the lab's number"):
        lab_up(TWO, number=lab_status(ONE).number, progress=lambda _: None)
    assert lab_status(TWO).state == "down"


def test_a_saved_lab_comes_back_as_it_was(places: Path):
    lab_call(ONE, "run", "production", ["touch", "/root/kept"])
    number = lab_status(ONE).number
    saved = places.parent / "saved"
    lab_call(ONE, "save", saved)
    assert lab_status(ONE).state == "up"
    lab_down(ONE, progress=lambda _: None)
    up(TWO, restore=saved)
    assert lab_status(TWO).number == number
    assert lab_call(TWO, "run", "production", ["ls", "/root/kept"])[0] == 0
    lab_down(TWO, progress=lambda _: None)


@pytest.mark.parametrize("which", ["inside", "outside"])
def test_a_killed_lab_leaves_nothing_that_runs_and_comes_up_again(which: str):
    up(ONE)
    number = lab_status(ONE).number
    os.kill(daemons(ONE)[which], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while daemons(ONE):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lab_status(ONE).state == "down"
    with pytest.raises(GonogoError, match="expected: up"):
        lab_call(ONE, "status-of-the-dead")
    up(ONE)
    lab_down(ONE, progress=lambda _: None)
    nothing_left(ONE, number or 0)
    assert ONE not in lab_names()


def test_down_of_what_is_down_is_no_error():
    lab_down("test-never", progress=lambda _: None)
    assert control.lab_status("test-never").state == "down"
