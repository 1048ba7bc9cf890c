"""The connections on a real host with systemd: named units, sudo, reboots, the read-only shell."""

import hashlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.host import Host, open_host
from fixtures.lab import cgroups
from fixtures.lab.hosts import LabHost
from fixtures.lab.images import image
from fixtures.lab.network import LabNet, Network
from fixtures.plan import Login
from fixtures.secrets import Secret

NET = LabNet("test-connections", 82)


@pytest.fixture(scope="module")
def machine(lab_tree: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    network = Network(NET)
    network.create()
    keys = tmp_path_factory.mktemp("keys")
    for name in ("id", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    machine = LabHost(network, "one", image("ami-bookworm"), NET.public(11), tmp_path_factory.mktemp("host") / "one")
    machine.prepare()
    (machine.root / "etc/cloud/cloud-init.disabled").touch()
    for name in ("host", "host.pub"):
        place = machine.root / "etc/ssh" / name.replace("host", "ssh_host_ed25519_key")
        place.write_text((keys / name).read_text())
        place.chmod(0o600)
    machine.start()
    authorized = (keys / "id.pub").read_bytes()
    for user, sudo in (("free", "NOPASSWD: ALL"), ("asked", "ALL")):
        machine.run(["useradd", "-m", "-s", "/bin/bash", user])
        machine.run(["chpasswd"], stdin=f"{user}:open sesame".encode())
        machine.run(["install", "-d", "-o", user, "-m", "0700", f"/home/{user}/.ssh"])
        machine.run(
            ["install", "-o", user, "-m", "0600", "/dev/stdin", f"/home/{user}/.ssh/authorized_keys"], stdin=authorized
        )
        machine.run(["sh", "-c", 'cat >"/etc/sudoers.d/$0"', user], stdin=f"{user} ALL=(ALL) {sudo}\n".encode())
    machine.run(["install", "-d", "-m", "0700", "/root/.ssh"])
    machine.run(["sh", "-c", "cat >/root/.ssh/authorized_keys"], stdin=authorized)
    machine.keys = keys  # type: ignore[attr-defined]
    yield machine
    machine.destroy()
    network.destroy()
    cgroups.remove_lab(NET.name)


def reach(machine: LabHost, user: str, *, read_only: bool = False, password: Secret | None = None) -> Host:
    keys: Path = machine.keys  # type: ignore[attr-defined]
    login = Login(
        address=machine.address,
        user=user,
        key_file=keys / "id",
        host_key=(keys / "host.pub").read_text(),
        sudo_password=password,
    )
    return open_host("target", login, lambda path: path, read_only=read_only)


@pytest.fixture(scope="module")
def host(machine: LabHost) -> Iterator[Host]:
    host = reach(machine, "free")
    yield host
    host.close()


@pytest.mark.parametrize("user", ["root", "free", "asked"])
@pytest.mark.parametrize("read_only", [False, True])
def test_root_by_any_way(
    machine: LabHost,
    user: str,
    read_only: bool,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("SUDO", "open sesame")
    began = time.monotonic()
    host = reach(machine, user, read_only=read_only, password=Secret(env="SUDO"))
    opened = time.monotonic() - began
    assert host.check(["id", "-un"]) == "root\n"
    data = os.urandom(1_000_000)
    assert host.check(["sha256sum"], stdin=data) == f"{hashlib.sha256(data).hexdigest()}  -\n"
    times = []
    for _ in range(100):
        began = time.perf_counter()
        host.run("true")
        times.append(time.perf_counter() - began)
    record_property("open_ms", round(opened * 1000))
    record_property("command_ms", round(statistics.median(times) * 1000, 2))
    if read_only:
        assert host.shell.enforced
        with pytest.raises(StepFailed, match="Read-only file system"):
            host.check(["touch", "/etc/written"])
        assert host.service("ssh").is_running
    host.close()


def test_a_wrong_sudo_password(machine: LabHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO", "wrong")
    for password in (None, Secret(env="SUDO")):
        with pytest.raises(CouldNotVerify, match="sudo_password"):
            reach(machine, "asked", password=password)


def test_a_unit_runs_and_its_result_stays(host: Host) -> None:
    unit = "gonogo-test-good.service"
    assert host.unit_result(unit).state == "absent"
    host.start_unit(unit, "echo begun\nsleep 1.2\necho 'a \"b\"' >/root/made\necho ended\n")
    assert host.unit_result(unit).state == "running"
    with pytest.raises(Refused, match="running"):
        host.start_unit(unit, ["true"])
    told: list[str] = []
    host.wait_unit(unit, 10, told.append)
    assert "begun" in told
    assert host.read_file("/root/made") == 'a "b"\n'
    assert host.unit_result(unit).state == "succeeded"
    host.start_unit(unit, ["true"])
    host.wait_unit(unit, 10)
    host.stop_unit(unit)
    host.stop_unit(unit)
    assert host.unit_result(unit).state == "absent"
    assert not host.file(f"/run/gonogo/{unit}.sh").exists


def test_a_unit_that_fails_says_why(host: Host) -> None:
    unit = "gonogo-test-bad.service"
    for command in ("echo reason >&2; exit 3", ["sh", "-c", "echo reason; exit 3"]):
        host.start_unit(unit, command)
        with pytest.raises(StepFailed, match="reason"):
            host.wait_unit(unit, 10)
        assert host.unit_result(unit).state == "failed"
    with pytest.raises(StepFailed):
        host.start_unit(unit, ["/no/such/program"])


def test_a_unit_is_left_running_or_stopped_whole(host: Host) -> None:
    unit = "gonogo-test-long.service"
    host.start_unit(unit, "sleep 4321 &\nsleep 4321")
    with pytest.raises(StepFailed, match="left running"):
        host.wait_unit(unit, 0.3)
    assert host.unit_result(unit).state == "running"
    host.stop_unit(unit)
    assert not host.succeeds(["pgrep", "-f", "sleep 432[1]"])
    with pytest.raises(StepFailed, match="gone"):
        host.wait_unit(unit, 1)


def test_a_unit_of_another_user_reads_its_script_alone(host: Host) -> None:
    unit = "gonogo-test-user.service"
    host.start_unit(unit, "id -un >/tmp/who; sleep 1", user="nobody")
    assert host.file(f"/run/gonogo/{unit}.sh").mode == 0o400
    host.wait_unit(unit, 10)
    assert host.read_file("/tmp/who") == "nobody\n"
    host.stop_unit(unit)


def test_work_goes_on_when_we_are_gone(machine: LabHost, host: Host) -> None:
    unit = "gonogo-test-survivor.service"
    passing = reach(machine, "free")
    passing.start_unit(unit, "sleep 1; touch /root/survived")
    passing.connection.transport.close()
    host.wait_unit(unit, 10)
    assert host.file("/root/survived").exists
    host.stop_unit(unit)


def test_a_lock_is_gone_after_a_reboot_and_the_connection_comes_back(machine: LabHost, host: Host) -> None:
    host.lock("a run", "a test")
    boot = host.read_file("/proc/sys/kernel/random/boot_id")
    host.run("systemctl --no-block reboot")
    for _ in range(100):
        try:
            if host.read_file("/proc/sys/kernel/random/boot_id") != boot:
                break
        except (CouldNotVerify, StepFailed):
            time.sleep(0.2)
    host.lock("another run", "a test")
    host.unlock()


def test_testinfra_on_a_real_host(host: Host) -> None:
    assert host.service("ssh").is_enabled
    assert host.socket("tcp://0.0.0.0:22").is_listening
    assert host.package("openssh-server").is_installed
    assert host.process.filter(comm="sshd")
    assert host.mount_point("/").exists
    assert host.user("free").home == "/home/free"
    assert host.file("/etc/shadow").contains("free")
