"""Whether production is back."""

import pytest

from checks import check_back_out
from fixtures.errors import NoGo
from fixtures.facts.network import of_record
from tests.unit import ipv6
from tests.unit.ipv6 import NEW_IPV6, OLD_IPV6, ByFamily

ipv6_plan = ipv6.ipv6_plan


def test_a_record_is_judged_by_productions_address_of_its_family(ipv6_plan, run):
    record = next(one for one in ipv6_plan.dns.records if one.type == "AAAA")
    server = ipv6_plan.dns.primary
    old, new = (of_record(record, server).put(ByFamily(AAAA=[one])) for one in (OLD_IPV6, NEW_IPV6))
    check_back_out.check_dns_names_production(record, server, run, ipv6_plan, old)
    with pytest.raises(NoGo, match=NEW_IPV6):
        check_back_out.check_dns_names_production(record, server, run, ipv6_plan, new)
