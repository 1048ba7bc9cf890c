"""The lab's Route 53: gonogo's own provider changes it, and the lab's name servers answer accordingly."""

from typing import Any

import pytest

from fixtures.connect.nameservers import Dns
from fixtures.errors import Refused
from fixtures.lab.cloud.cloud import ACCOUNT, Cloud
from fixtures.lab.cloud.route53 import host_zone
from fixtures.lab.dns.dns import NameServers
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.production.production import ZONE
from fixtures.plan import Dns as DnsPlan
from steps.night.dns import point
from steps.night.providers import Change
from steps.night.providers.route53 import Route53
from tests.lab.clients import client

NET = LabNet("test-route53", 85)
OLD, NEW = NET.public(10), NET.public(100)
OLD_6 = NET.ipv6("internet", 10)


@pytest.fixture(scope="module")
def names(lab_tree, tmp_path_factory):
    network = Network(NET)
    network.create()
    servers = NameServers(network, image("services"), tmp_path_factory.mktemp("names"))
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        network.destroy()


@pytest.fixture(scope="module")
def cloud(names, tmp_path_factory):
    cloud = Cloud(names.hosts["ns1"].network, tmp_path_factory.mktemp("cloud"), image, resolver=NET.public(4))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def plan(names, cloud):
    settings = names.settings()
    hosted = host_zone(ACCOUNT, settings, {f"app.{ZONE}": [OLD, OLD_6], f"www.{ZONE}": [OLD]}, 3600)
    assert host_zone(ACCOUNT, settings, {}, 3600) == hosted, "it is there already"
    return DnsPlan.model_validate(
        {
            "provider": "route53",
            "hosted_zone": hosted,
            "zone": ZONE,
            "primary": {"name": "ns1", "address": settings.servers[0]},
            "secondaries": [{"name": "ns2", "address": settings.servers[1]}],
            "ttl": 5,
            "records": [{"name": f"app.{ZONE}"}, {"name": f"www.{ZONE}"}],
        }
    )


class Account:
    """What the provider needs of `fixtures.connect.cloud.Cloud`."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def client(self, service: str) -> Any:
        return client(self.cloud, service)


def test_both_name_servers_answer_what_route53_was_told_and_the_way_back(plan, cloud):
    dns, provider = Dns(plan), Route53(plan, Account(cloud))
    there = [Change(record, (NEW,), 5, expected=(OLD,)) for record in plan.records]
    point(dns, provider, there)
    for server in plan.authoritative:
        for record in plan.records:
            answer = dns.ask(server, record.name)
            assert (answer.values, answer.ttl) == ((NEW,), 5)
    listed = Account(cloud).client("route53").list_resource_record_sets(HostedZoneId=plan.hosted_zone)
    held = {one["Name"]: one["ResourceRecords"] for one in listed["ResourceRecordSets"] if one["Type"] == "A"}
    assert held == {f"app.{ZONE}.": [{"Value": NEW}], f"www.{ZONE}.": [{"Value": NEW}]}

    with pytest.raises(Refused, match=NEW):
        provider.change(there)
    point(dns, provider, [Change(record, (OLD,), 3600) for record in plan.records])
    for server in plan.authoritative:
        assert (dns.ask(server, f"app.{ZONE}").values, dns.ask(server, f"app.{ZONE}").ttl) == ((OLD,), 3600)


def test_an_aaaa_record_beside_it(plan, cloud):
    moving = plan.model_copy(update={"records": [plan.records[0].model_copy(update={"type": "AAAA"})]})
    dns, provider = Dns(moving), Route53(moving, Account(cloud))
    point(dns, provider, [Change(moving.records[0], ("2001:db8::9",), 5, expected=(OLD_6,))])
    for server in plan.authoritative:
        assert dns.ask(server, f"app.{ZONE}", "AAAA").values == ("2001:db8::9",)
        assert dns.ask(server, f"app.{ZONE}").values == (OLD,)


def test_another_zone_is_refused(plan, cloud):
    other = Account(cloud).client("route53").create_hosted_zone(Name="other.test", CallerReference="x")["HostedZone"]
    wrong = plan.model_copy(update={"hosted_zone": other["Id"].rpartition("/")[2]})
    with pytest.raises(Refused, match=r"other\.test"):
        Route53(wrong, Account(cloud)).change([Change(plan.records[0], (NEW,), 5)])
