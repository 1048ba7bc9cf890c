"""A record of the other address family that was forgotten."""

import pytest

from checks import check_ttl
from fixtures.errors import NoGo
from tests.unit.example import PLAN
from tests.unit.ipv6 import OLD_IPV6, ByFamily


def test_a_forgotten_aaaa_record_is_red():
    record, server = PLAN.dns.records[0], PLAN.dns.primary
    check_ttl.check_no_other_family_is_forgotten(record, server, PLAN, ByFamily(A=["198.51.100.10"]))
    with pytest.raises(NoGo, match="AAAA 2001:db8::10, forgotten"):
        check_ttl.check_no_other_family_is_forgotten(
            record, server, PLAN, ByFamily(A=["198.51.100.10"], AAAA=[OLD_IPV6])
        )
