"""The connections on a real host with systemd: named units, sudo, reboots, the read-only shell."""

import hashlib
import os
import shlex
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from fixtures.connect.host import Host, open_host
from fixtures.connect.relay import Relay, relay_command
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.lab.hosts import cgroups
from fixtures.lab.hosts.hosts import LabHost
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.plan import Jump, Login, load_plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from fixtures.secrets import Secret
from steps.tools.copying import channel
from steps.tools.units import run_unit

NET = LabNet("test-connections", 82)


@pytest.fixture(scope="module")
def machine(lab_tree: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    network = Network(NET)
    network.create()
    keys = tmp_path_factory.mktemp("keys")
    for name in ("id", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    machine = boot(network, "one", NET.public(11), tmp_path_factory.mktemp("host") / "one", keys)
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


def boot(network: Network, name: str, address: str, directory: Path, keys: Path) -> LabHost:
    machine = LabHost(network, name, image("ami-bookworm"), address, directory)
    machine.prepare()
    (machine.root / "etc/cloud/cloud-init.disabled").touch()
    for name in ("host", "host.pub"):
        place = machine.root / "etc/ssh" / name.replace("host", "ssh_host_ed25519_key")
        place.write_text((keys / name).read_text())
        place.chmod(0o600)
    machine.start()
    return machine


@pytest.fixture(scope="module")
def bastion(machine: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    """A host through which the other one is reached, and only through it; its user has no sudo there."""
    keys: Path = machine.keys  # type: ignore[attr-defined]
    bastion = boot(machine.network, "two", NET.public(12), tmp_path_factory.mktemp("host") / "two", keys)
    for user in ("hopper", "admin"):
        bastion.run(["useradd", "-m", "-s", "/bin/bash", user])
        bastion.run(["install", "-d", "-o", user, "-m", "0700", f"/home/{user}/.ssh"])
        path = f"/home/{user}/.ssh/authorized_keys"
        bastion.run(["install", "-o", user, "-m", "0600", "/dev/stdin", path], stdin=(keys / "id.pub").read_bytes())
    bastion.run(["sh", "-c", "cat >/etc/sudoers.d/admin"], stdin=b"admin ALL=(ALL) NOPASSWD: ALL\n")
    door = f'iifname != "lo" tcp dport 22 ip saddr != {bastion.address} reject'
    rules = f"table inet door {{\n chain way {{\n type filter hook input priority 0;\n {door}\n }}\n}}\n"
    machine.run(["nft", "-f", "/dev/stdin"], stdin=rules.encode())
    yield bastion
    machine.run(["nft", "delete", "table", "inet", "door"])
    bastion.destroy()


def reach(
    machine: LabHost,
    user: str,
    *,
    read_only: bool = False,
    password: Secret | None = None,
    bastion: LabHost | None = None,
) -> Host:
    keys: Path = machine.keys  # type: ignore[attr-defined]
    host_key = (keys / "host.pub").read_text()
    jump = Jump(address=bastion.address, user="hopper", key_file=keys / "id", host_key=host_key) if bastion else None
    login = Login(
        address=machine.address,
        user=user,
        key_file=keys / "id",
        host_key=host_key,
        sudo_password=password,
        jump=jump,
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
    lines: list[str] = []
    host.wait_unit(unit, 10, lines.append)
    assert "begun" in lines
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


# Last, because the way in without the bastion is closed meanwhile.


@pytest.fixture
def far(machine: LabHost, bastion: LabHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host behind the bastion, as a user whose sudo asks for a password."""
    monkeypatch.setenv("SUDO", "open sesame")
    host = reach(machine, "asked", password=Secret(env="SUDO"), bastion=bastion)
    yield host
    host.close()


def test_behind_a_jump_host_everything_works_with_a_sudo_password(
    machine: LabHost, bastion: LabHost, far: Host
) -> None:
    with pytest.raises(CouldNotVerify):
        reach(machine, "free")
    assert far.check(["id", "-un"]) == "root\n"
    assert "through" in far.connection.title
    data = os.urandom(300_000)
    assert far.check(["sha256sum"], stdin=data) == f"{hashlib.sha256(data).hexdigest()}  -\n"
    far.write_file("/root/far", "written\n", mode="0600")
    assert far.read_file("/root/far") == "written\n"
    far.start_unit("gonogo-test-far.service", "sleep 0.5; echo done >>/root/far")
    far.wait_unit("gonogo-test-far.service", 20)
    far.stop_unit("gonogo-test-far.service")
    assert far.read_file("/root/far") == "written\ndone\n"
    guarded = reach(machine, "asked", read_only=True, password=Secret(env="SUDO"), bastion=bastion)
    assert guarded.shell.enforced
    with pytest.raises(StepFailed, match="Read-only file system"):
        guarded.check(["touch", "/etc/written"])
    guarded.close()


def test_a_relay_begins_with_the_servers_words_and_not_with_the_password(far: Host) -> None:
    command = relay_command("daemon", "22")
    relay = Relay(lambda: far.shell.channel(command, writable=True), "socket")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(relay.directory / "socket"))
        client.sendall(b"SSH-2.0-test\r\n")
        # sshd says so at once when the first line it reads is anything else.
        assert client.recv(100).startswith(b"SSH-2.0-OpenSSH")
        client.settimeout(0.5)
        assert b"Invalid" not in client.recv(4096)
    relay.close()


def test_the_source_pushes_to_the_target_although_its_sudo_asks(
    machine: LabHost, bastion: LabHost, far: Host, tmp_path: Path
) -> None:  # fmt: skip
    keys: Path = machine.keys  # type: ignore[attr-defined]
    host_key = " ".join((keys / "host.pub").read_text().split()[:2])
    login = Login(address=bastion.address, user="admin", key_file=keys / "id", host_key=host_key)
    target = open_host("target", login, lambda path: path)
    plan = load_plan(Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml")
    rule = plan.target.copying[0].model_copy(update={"source": ip_network(f"{machine.address}/32")})
    plan = plan.model_copy(update={"target": plan.target.model_copy(update={"copying": [rule]})})
    run = Run(tmp_path / "20260101T000000Z-smallpayroll")
    (run.directory / "records").mkdir(parents=True)
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="", public_address=bastion.address, allocation_id="", volume_id="",
            security_group_id="", host_keys=[host_key],
        )
    )  # fmt: skip
    with channel(far, target, plan, run, purpose="test", forced_command=["sudo", "-n", "tee", "/root/pushed"]) as ssh:
        run_unit(far, run, "test", f"echo a payslip | {shlex.join(ssh)}\n", 60)
    assert target.read_file("/root/pushed") == "a payslip\n"
    assert "gonogo" not in target.read_file("/home/admin/.ssh/authorized_keys")
    assert not far.file("/run/gonogo/keys").exists
    target.close()


def test_the_password_is_in_no_process_and_no_log(far: Host) -> None:
    shown = far.check(["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"])
    logs = far.check(["journalctl", "--no-pager", "--quiet"])
    assert "sudo" in shown
    assert "asked" in logs
    assert "sesame" not in shown + logs


def test_the_way_through_the_jump_host_is_found_again(far: Host) -> None:
    far.connection.gateway.transport.close()
    far.connection.transport.close()
    assert far.check(["id", "-un"]) == "root\n"
