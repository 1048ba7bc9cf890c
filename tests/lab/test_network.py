"""The lab's network alone: an address that was tried before a host had it, and hosts that come and go."""

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from fixtures.lab.hosts.network import ROUTER, LabNet, Network, hardware_address

NET = LabNet("test-network", 88)


@pytest.fixture
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


def reaches(address: str) -> bool:
    """A port without listener refuses; an address nobody has stays silent, or is said to be unreachable."""
    try:
        socket.create_connection((address, 9), 2).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def router_at(segment: str) -> str:
    shown = subprocess.run(
        ["ip", "-n", ROUTER, "-br", "link", "show", segment], check=True, capture_output=True, text=True
    )
    return shown.stdout.split()[2]


def test_an_elastic_address_leads_in_at_once_for_who_tried_it_before(network: Network):
    network.add_namespace("instance", NET.private(12), "vpc")
    elastic = NET.public(112)
    assert not reaches(elastic)
    # By now this machine's kernel asked a third and last time who has the address, and only waits to give up.
    time.sleep(0.5)
    network.associate(elastic, NET.private(12))
    assert reaches(elastic)
    network.disassociate(elastic, NET.private(12))
    assert not reaches(elastic)


def test_the_router_stays_who_it_is_while_hosts_come_and_go(network: Network):
    own = {"internet": hardware_address(NET.public(1)), "vpc": hardware_address(NET.private(1))}
    assert reaches(NET.public(1))
    for number in range(20, 26):
        network.add_namespace(f"a{number}", NET.public(number), "internet")
        network.add_namespace(f"b{number}", NET.private(number), "vpc")
        assert {segment: router_at(segment) for segment in own} == own
    for name in sorted(network.namespaces):
        network.remove_namespace(name)
        assert reaches(NET.public(1)), "this machine still knows where the router is"
