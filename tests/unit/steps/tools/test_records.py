"""What the plan's records say before the move."""

import pytest

from fixtures.errors import Refused
from steps.tools.records import read_before
from tests.unit import ipv6
from tests.unit.ipv6 import OLD_IPV6, ByFamily

ipv6_plan = ipv6.ipv6_plan


def test_what_dns_says_before_must_be_production_in_both_families(ipv6_plan):
    before = read_before(ipv6_plan, ByFamily(A=["198.51.100.10"], AAAA=[OLD_IPV6]))
    assert before.records["app.smallpayroll.test AAAA"] == [OLD_IPV6]
    with pytest.raises(Refused, match="2001:db8::66"):
        read_before(ipv6_plan, ByFamily(A=["198.51.100.10"], AAAA=["2001:db8::66"]))
