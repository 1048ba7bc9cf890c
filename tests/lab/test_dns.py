import threading
import time
from collections.abc import Iterator

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone
import pytest

from fixtures.connect.nameservers import Dns
from fixtures.lab.dns.dns import NameServers
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.production.production import ZONE
from fixtures.plan import Dns as DnsPlan
from steps.night.dns import point
from steps.night.providers import Change
from steps.night.providers.manual import Manual

CACHE_MAX_TTL = 4
NET = LabNet("test-dns", 81)


@pytest.fixture(scope="module")
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


@pytest.fixture(scope="module")
def names(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServers]:
    servers = NameServers(network, image("services"), tmp_path_factory.mktemp("names"), cache_max_ttl=CACHE_MAX_TTL)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def ask(server: str, name: str = f"app.{ZONE}", kind: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, kind), server, timeout=3)


def answer(server: str, name: str = f"app.{ZONE}", kind: str = "A") -> tuple[list[str], int]:
    rrset = ask(server, name, kind).answer[0]
    return sorted(str(item) for item in rrset), rrset.ttl


def set_address(names: NameServers, address: str, ttl: int, secret: str | None = None) -> dns.rcode.Rcode:
    settings = names.settings()
    keyring = dns.tsigkeyring.from_text({settings.tsig_name: secret or settings.tsig_secret})
    update = dns.update.UpdateMessage(ZONE, keyring=keyring, keyalgorithm=settings.tsig_algorithm)
    update.replace("app", ttl, "A", address)
    return dns.query.tcp(update, settings.servers[0], timeout=5).rcode()


def wait_for(server: str, address: str, limit: float = 60) -> None:
    began = time.monotonic()
    while answer(server)[0] != [address]:
        assert time.monotonic() - began < limit, f"{server} still answers {answer(server)}"
        time.sleep(0.05)


def test_both_name_servers_hold_the_zone(names: NameServers):
    for server in names.settings().servers:
        assert answer(server) == ([NET.public(10)], 3600)
        assert answer(server, f"www.{ZONE}") == ([NET.public(10)], 3600)
        assert answer(server, f"www.{ZONE}", "AAAA") == ([NET.ipv6("internet", 10)], 3600)
        assert answer(server, ZONE, "NS")[0] == ["ns1.lab.test.", "ns2.lab.test."]
        assert answer(server, ZONE, "MX")[0] == ["10 mail.lab.test."]
        assert answer(server, ZONE, "TXT")[0] == ['"v=spf1 mx -all"']
        assert answer(server, "supplies.lab.test")[0] == [NET.public(5)]


def test_the_resolver_answers_the_labs_names_and_knows_no_others(names: NameServers):
    resolver = names.settings().resolver
    assert answer(resolver, "mail.lab.test")[0] == [NET.public(6)]
    assert ask(resolver, "deb.example.org").rcode() == dns.rcode.NXDOMAIN


def test_an_update_reaches_the_secondary_and_then_the_resolvers_cache(names: NameServers):
    settings = names.settings()
    primary, secondary = settings.servers
    assert set_address(names, NET.public(10), 300) == dns.rcode.NOERROR
    names.hosts["resolver"].run(["unbound-control", "flush", f"app.{ZONE}"])
    assert answer(settings.resolver) == ([NET.public(10)], CACHE_MAX_TTL)
    assert set_address(names, NET.public(100), 300) == dns.rcode.NOERROR
    assert answer(primary) == ([NET.public(100)], 300)
    time.sleep(1.1)
    stale, ttl = answer(settings.resolver)
    assert stale == [NET.public(10)]
    assert ttl < CACHE_MAX_TTL, "the remaining seconds count down"
    wait_for(secondary, NET.public(100))
    wait_for(settings.resolver, NET.public(100))


def test_nobody_without_the_key_changes_or_copies_the_zone(names: NameServers):
    settings = names.settings()
    with pytest.raises(dns.tsig.PeerBadSignature):
        set_address(names, "198.18.0.66", 300, secret="d3Jvbmc=")
    assert settings.tsig_secret not in repr(settings)
    for server in settings.servers:
        with pytest.raises(dns.query.TransferError):
            dns.query.inbound_xfr(server, dns.zone.Zone(dns.name.from_text(ZONE)))
    unsigned = dns.update.UpdateMessage(ZONE)
    unsigned.replace("app", 300, "A", "198.18.0.66")
    assert dns.query.tcp(unsigned, settings.servers[0], timeout=5).rcode() in {dns.rcode.NOTAUTH, dns.rcode.REFUSED}


def test_the_secondary_can_be_made_stale_with_a_ttl_of_a_day(names: NameServers):
    """The fault "TTL at a day on one name server" is made this way."""
    primary, secondary = names.settings().servers
    ns2 = names.hosts["ns2"]
    ns2.run(["knotc", "zone-begin", ZONE])
    ns2.run(["knotc", "zone-unset", ZONE, "app", "A"])
    ns2.run(["knotc", "zone-set", ZONE, "app", "86400", "A", NET.public(10)])
    ns2.run(["knotc", "zone-commit", ZONE])
    time.sleep(4)  # longer than the secondary waits before it asks the primary again
    assert answer(secondary)[1] == 86400
    assert answer(primary)[1] == 300
    ns2.run(["knotc", "zone-retransfer", ZONE])
    began = time.monotonic()
    while answer(secondary)[1] != 300:
        assert time.monotonic() - began < 60
        time.sleep(0.1)


def test_a_change_by_hand_is_waited_for_on_every_name_server(names: NameServers):
    settings = names.settings()
    plan = DnsPlan.model_validate(
        {
            "provider": "manual",
            "zone": ZONE,
            "primary": {"name": "ns1", "address": settings.servers[0]},
            "secondaries": [{"name": "ns2", "address": settings.servers[1]}],
            "ttl": 5,
            "records": [{"name": f"app.{ZONE}"}],
        }
    )
    person = threading.Timer(1.0, set_address, (names, NET.public(102), 5))
    person.start()
    asked = Dns(plan)
    point(asked, Manual(asked), [Change(plan.records[0], (NET.public(102),), 5)])
    person.join()
    for server in settings.servers:
        assert answer(server) == ([NET.public(102)], 5)


def test_an_update_outlives_a_power_cut_and_a_restart_of_the_lab(names: NameServers, network: Network):
    settings = names.settings()
    assert set_address(names, NET.public(101), 60) == dns.rcode.NOERROR
    names.hosts["ns1"].power_cut()
    names.stop()
    network.destroy()
    network.create()
    names.start()
    for server in settings.servers:
        wait_for(server, NET.public(101))
        assert answer(server)[1] == 60
    assert names.settings() == settings
