"""The instance's recorded IPv6 address, seen red."""

import pytest

from checks import check_instance
from fixtures.errors import NoGo
from fixtures.run.records import TargetFacts
from tests.unit import ipv6
from tests.unit.ipv6 import NEW_IPV6, ipv6_instance

ipv6_plan = ipv6.ipv6_plan


@pytest.mark.parametrize(("recorded", "found"), [("", NEW_IPV6), (NEW_IPV6, "2001:db8::77"), (NEW_IPV6, None)])
def test_another_ipv6_address_than_the_recorded_one_is_red(ipv6_plan, run, recorded, found):
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e", volume_id="v",
            security_group_id="sg-1", ipv6_address=recorded,
        )
    )  # fmt: skip
    with pytest.raises(NoGo, match="IPv6 address of i-1"):
        check_instance.check_ipv6_address_is_recorded(ipv6_instance(found), ipv6_plan, run)
