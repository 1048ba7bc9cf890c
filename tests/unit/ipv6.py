"""The example plan with an AAAA record that moves, and what answers to it."""

import pytest

from fixtures.connect.cloud import Instance
from fixtures.connect.nameservers import DnsAnswer
from fixtures.plan import parse_plan
from tests.unit.example import EXAMPLE

OLD_IPV6, NEW_IPV6 = "2001:db8::10", "2001:db8::9"


def ipv6_text(*, source=True, rule=True):
    """The example with an AAAA record, and what belongs to it."""
    made = EXAMPLE.read_text().replace(
        '{ name = "www.smallpayroll.test", type = "A" }', '{ name = "app.smallpayroll.test", type = "AAAA" }'
    )
    if source:
        made = made.replace("# ipv6_address", "ipv6_address")
    if rule:
        made = made.replace("public = [", 'public = [{ port = 443, source = "::/0", purpose = "users by IPv6" },\n#', 1)
    return made


@pytest.fixture
def ipv6_plan():
    return parse_plan(ipv6_text(), EXAMPLE)


class ByFamily:
    """Every server answers these addresses."""

    def __init__(self, **values):
        self.values = values

    def ask(self, server, name, rdtype="A"):
        found = tuple(self.values.get(rdtype, ()))
        return DnsAnswer(server.name, found, 3600 if found else None, authoritative=True, exists=True)


def ipv6_instance(ipv6):
    return Instance("i-1", "running", "", "", "", "", None, "192.0.2.4", {}, {}, {}, ipv6_address=ipv6)
