"""Real hosts: boots, reboots, power cuts, disks, and what is left when a lab is killed."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import GonogoError
from fixtures.lab.hosts import cgroups, disks, tree
from fixtures.lab.hosts.hosts import LabHost
from fixtures.lab.hosts.images import Image, image
from fixtures.lab.hosts.network import LabNet, Network

NET = LabNet("test-hosts", 80)
BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]


@pytest.fixture(scope="module")
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()
    cgroups.remove_lab(NET.name)


@pytest.fixture(scope="module")
def bare(lab_tree: None) -> Image:
    return image("ami-bookworm")


@pytest.fixture
def host(network: Network, bare: Image, tmp_path: Path) -> Iterator[LabHost]:
    host = LabHost(network, "one", bare, NET.public(11), tmp_path / "one")
    host.prepare()
    no_cloud(host)
    host.start()
    yield host
    host.destroy()
    assert not host.directory.exists()


def no_cloud(host: LabHost) -> None:
    (host.root / "etc/cloud/cloud-init.disabled").touch()


def output(host: LabHost, *argv: str) -> str:
    return host.run(argv).stdout.decode().strip()


def boot_id(host: LabHost) -> str:
    return output(host, *BOOT_ID)


def test_a_host_boots_and_is_whole(host: LabHost):
    assert output(host, "systemctl", "--failed", "--plain", "--no-legend") == ""
    assert output(host, "hostname") == "one"
    assert len(output(host, "cat", "/etc/machine-id")) == 32
    assert "Welcome to" in host.console.read_text(errors="replace")


def test_this_machine_reaches_the_host_and_the_host_this_machine(host: LabHost):
    assert reaches(host.address)
    route = output(host, "ip", "route", "get", "192.0.2.1")
    assert f"via {NET.public(1)} " in route


def test_a_command_that_fails_says_so(host: LabHost):
    done = host.run(["sh", "-c", "cat; echo no >&2; exit 3"], b"in", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in", b"no\n")
    with pytest.raises(subprocess.CalledProcessError):
        host.run(["false"])


def test_a_host_cannot_make_a_node_of_this_machines_disk(host: LabHost):
    assert host.run(["mknod", "/dev/disk", "b", "254", "0"], check=False).returncode != 0


def test_memory_is_limited(host: LabHost):
    # Refused by the kernel for the host, not for this machine: the host goes on.
    eat = "bytearray(3 * 1024**3)"
    assert host.run(["python3", "-c", eat], check=False).returncode != 0
    assert host.running


def test_reboot_from_inside_changes_the_boot_id_and_keeps_files_and_firewall(host: LabHost):
    before = boot_id(host)
    host.run(["touch", "/root/kept"])
    host.network.run_in(host.name, ["nft", "add", "table", "inet", "kept"])
    host.reboot()
    assert boot_id(host) != before
    assert output(host, "ls", "/root") == "kept"
    assert "kept" in output(host, "nft", "list", "tables")


def test_poweroff_from_inside_ends_the_host(host: LabHost):
    host.run(["systemctl", "poweroff"], check=False)
    deadline = time.monotonic() + 60
    while host.running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not host.running
    with pytest.raises(GonogoError, match="stopped, or about to"):
        host.run(["true"])
    host.start()
    assert host.running


def test_stop_is_orderly_and_a_power_cut_is_not(host: LabHost):
    unit = "[Service]\nExecStart=sleep infinity\nExecStop=touch /root/orderly\n"
    (host.root / "etc/systemd/system/witness.service").write_text(unit)
    host.run(["systemctl", "daemon-reload"])
    for end, traces in ((host.power_cut, ""), (host.stop, "orderly")):
        host.run(["systemctl", "start", "witness"])
        end()
        assert not host.running
        host.start()
        assert output(host, "ls", "/root") == traces


def test_a_disk_is_there_at_boot_and_mounted_from_fstab(host: LabHost, tmp_path: Path):
    host.attach_disk(empty_disk(tmp_path / "disk.img"), "/dev/xvdf")
    host.run(["sh", "-ec", "mkfs.ext4 -q /dev/xvdf; uuid=$(blkid -o value -s UUID /dev/xvdf)\n"
              "echo UUID=$uuid /mnt ext4 defaults,nofail 0 2 > /etc/fstab"])  # fmt: skip
    host.reboot()
    assert output(host, "findmnt", "-no", "FSTYPE", "/mnt") == "ext4"
    assert output(host, "systemctl", "is-active", "mnt.mount") == "active"


def test_a_disk_can_be_plugged_in_and_taken_away_while_the_host_runs(host: LabHost, tmp_path: Path):
    file = empty_disk(tmp_path / "disk.img")
    host.attach_disk(file, "/dev/xvdg")
    host.run(["sh", "-ec", "mkfs.ext4 -q /dev/xvdg; mount /dev/xvdg /mnt; touch /mnt/there; umount /mnt"])
    with pytest.raises(GonogoError, match="a free device name"):
        host.attach_disk(file, "/dev/xvdg")
    host.detach_disk("/dev/xvdg")
    assert host.run(["test", "-e", "/dev/xvdg"], check=False).returncode != 0
    assert str(file) not in loops()
    host.attach_disk(file, "/dev/xvdh")
    assert output(host, "sh", "-ec", "mount /dev/xvdh /mnt; ls /mnt; umount /mnt").split() == ["lost+found", "there"]


def test_a_missing_disk_fails_what_needs_it(host: LabHost):
    (host.root / "etc/fstab").write_text("UUID=11111111-2222-3333-4444-555555555555 /mnt ext4 nofail 0 2\n")
    unit = "[Unit]\nRequiresMountsFor=/mnt/data\n[Service]\nExecStart=sleep infinity\n"
    (host.root / "etc/systemd/system/needy.service").write_text(unit)
    host.reboot()
    assert host.run(["systemctl", "start", "needy"], check=False).returncode != 0


def test_the_vpc_is_reached_by_its_elastic_address_alone(network: Network, bare: Image, tmp_path: Path, host: LabHost):
    inner = LabHost(network, "two", bare, NET.private(12), tmp_path / "two", "vpc")
    inner.prepare()
    no_cloud(inner)
    inner.start()
    try:
        elastic = NET.public(112)
        assert not reaches(elastic)
        network.associate(elastic, inner.address)
        assert reaches(elastic)
        assert host.run(["python3", "-c", _REACHES, inner.address], check=False).returncode != 0
        # Seen from the internet the instance has its elastic address, and reaches itself by it too.
        listener = network.listen("one", host.address, 7777)
        inner.popen(["python3", "-c", f"import socket; socket.create_connection(('{host.address}', 7777))"])
        listener.settimeout(10)
        assert listener.accept()[1][0] == elastic
        inner.run(["python3", "-c", _REACHES, elastic])
        network.disassociate(elastic, inner.address)
        assert not reaches(elastic)
    finally:
        inner.destroy()


def test_two_hosts_of_one_name_are_refused(network: Network, bare: Image, tmp_path: Path, host: LabHost):
    with pytest.raises(GonogoError, match="a namespace of this name"):
        network.add_namespace(host.name, NET.public(13), "internet")


def test_killing_the_lab_leaves_no_process_mount_namespace_or_disk(tmp_path: Path):
    """Outside of any tree: the lab under test has its own."""
    marker = tmp_path / "up"
    (tmp_path / "disk.img").write_bytes(b"")
    os.truncate(tmp_path / "disk.img", 64 * 1024**2)
    lab = subprocess.Popen(tree.command([sys.executable, "-c", _VICTIM, str(tmp_path)]))
    try:
        wait_until(marker.exists)
        assert len(victims(tmp_path)) >= 2
        assert str(tmp_path / "disk.img") in loops()
    finally:
        lab.kill()
        lab.wait()
    wait_until(lambda: not victims(tmp_path))
    wait_until(lambda: str(tmp_path) not in loops())
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    wait_until(lambda: not Path("/sys/class/net", LabNet("", 79).machine_link).exists())
    wait_until(lambda: cgroups.remove_lab("test-victim"))


_VICTIM = """
import sys, time
from pathlib import Path
from fixtures.lab.hosts.hosts import LabHost
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
here = Path(sys.argv[1])
network = Network(LabNet("test-victim", 79))
network.create()
host = LabHost(network, "victim", image("ami-bookworm"), network.net.public(11), here / "victim")
host.prepare()
(host.root / "etc/cloud/cloud-init.disabled").touch()
host.attach_disk(here / "disk.img", "/dev/xvdf")
host.start()
host.popen(["sh", "-c", "sleep 1000; exit", str(here)])
(here / "up").touch()
time.sleep(1000)
"""


def empty_disk(file: Path) -> Path:
    disks.create(file, 64 * 1024**2)
    return file


# A port without listener refuses; an address nobody has stays silent.
_REACHES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 2)
except ConnectionRefusedError:
    pass
"""


def reaches(address: str) -> bool:
    return subprocess.run([sys.executable, "-c", _REACHES, address], check=False, capture_output=True).returncode == 0


def loops() -> str:
    return subprocess.run(["losetup", "--all"], check=True, capture_output=True, text=True).stdout


def victims(here: Path) -> list[str]:
    """The processes of this machine that have to do with the lab under test."""
    shown = subprocess.run(["ps", "-ww", "-eo", "pid,args"], check=True, capture_output=True, text=True).stdout
    return [line for line in shown.splitlines() if re.search(f"nspawn.*{here}|{here}$", line)]


def wait_until(true: object, limit: float = 60) -> None:
    deadline = time.monotonic() + limit
    assert callable(true)
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
