"""Whether production is back."""

import pytest

from checks import check_back_out
from fixtures.errors import NoGo
from tests.unit import ipv6
from tests.unit.ipv6 import NEW_IPV6, OLD_IPV6, ByFamily

ipv6_plan = ipv6.ipv6_plan


def test_a_record_is_judged_by_productions_address_of_its_family(ipv6_plan, run):
    record = next(one for one in ipv6_plan.dns.records if one.type == "AAAA")
    server = ipv6_plan.dns.primary
    check_back_out.check_dns_names_production(record, server, run, ipv6_plan, ByFamily(AAAA=[OLD_IPV6]))
    with pytest.raises(NoGo, match=NEW_IPV6):
        check_back_out.check_dns_names_production(record, server, run, ipv6_plan, ByFamily(AAAA=[NEW_IPV6]))
