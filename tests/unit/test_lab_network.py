"""The lab's addresses and the router's rules, without a network."""

from fixtures.lab.hosts.network import LabNet, router_rules


def test_addresses_follow_from_the_number():
    net = LabNet("lab", 7)
    assert net.public(10) == "198.18.7.10"
    assert net.private(4) == "10.77.7.4"
    assert net.public_range == "198.18.7.0/24"
    assert net.private_range == "10.77.7.0/24"


def test_the_machine_link_fits_an_interface_name():
    assert len(LabNet("lab", 99).machine_link) <= 15


def test_router_translates_for_its_own_vpc_only():
    rules = router_rules(LabNet("lab", 7))
    assert "ip saddr 10.77.7.0/24 masquerade" in rules
    assert "policy drop" in rules
    # An elastic address wins over the NAT gateway.
    assert rules.index("@elastic_out") < rules.index("masquerade")
