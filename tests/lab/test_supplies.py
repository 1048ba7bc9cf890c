"""What a bare instance can install in the lab, with nothing but the lab's own servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.lab.hosts import cgroups
from fixtures.lab.hosts.hosts import LabHost
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.supplies.supplies import Supplies

NET = LabNet("test-supplies", 78)


@pytest.fixture(scope="module")
def host(lab_tree: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    directory = tmp_path_factory.mktemp("supplies")
    network = Network(NET)
    network.create(operator=False)
    supplies = Supplies(network, directory / "supplies")
    supplies.start()
    host = LabHost(network, "bare", image("ami-bookworm"), NET.private(11), directory / "bare", "vpc")
    host.prepare()
    (host.root / "etc/cloud/cloud-init.disabled").touch()
    with (host.root / "etc/hosts").open("a") as hosts:
        hosts.write(f"{NET.public(5)} supplies.lab.test\n")
    host.start()
    yield host
    host.destroy()
    supplies.stop()
    network.destroy()
    cgroups.remove_lab(NET.name)


def test_apt_is_content_with_the_repository(host: LabHost):
    done = host.run(["apt-get", "-q", "update"])
    assert b"supplies.lab.test" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("package", ["postgresql-contrib", "rails", "build-essential", "nginx", "rsync", "locales"])
def test_every_dependency_is_there(host: LabHost, package: str):
    host.run(["apt-get", "-q", "update"])
    host.run(["apt-get", "-qq", "--simulate", "--no-install-recommends", "install", package])


def test_a_package_installs(host: LabHost):
    host.run(["apt-get", "-q", "update"])
    assert host.run(["which", "rsync"], check=False).returncode != 0
    host.run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "--no-install-recommends", "install", "rsync"])
    host.run(["rsync", "--version"])


def test_the_gem_index_answers(host: LabHost, tmp_path: Path):
    fetch = "import urllib.request as u; print(len(u.urlopen('http://supplies.lab.test/gems/specs.4.8.gz').read()))"
    assert int(host.run(["python3", "-c", fetch]).stdout) > 0


def test_nothing_else_is_reached(host: LabHost):
    look = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert host.run(["python3", "-c", look], check=False).returncode != 0
