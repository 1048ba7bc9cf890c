"""The checks of the instance, each seen red."""

from dataclasses import replace

import pytest

from checks import check_instance
from fixtures.connect.cloud import Instance
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.instance import Described, Disk
from fixtures.run.records import TargetFacts
from tests.unit import ipv6
from tests.unit.example import PLAN
from tests.unit.ipv6 import NEW_IPV6, ipv6_instance

ipv6_plan = ipv6.ipv6_plan


TARGET = PLAN.target
INSTANCE = Instance(
    "i-1", "running", TARGET.image, TARGET.instance_type, TARGET.key_name, TARGET.subnet, "10.0.0.4", "192.0.2.4",
    {"sg-1": TARGET.security_group}, {}, {},
)  # fmt: skip
OURS = Described(
    INSTANCE, {"/dev/xvda": Disk("vol-0", deleted=True), "/dev/xvdf": Disk("v", deleted=False)}, "required"
)


def known(**changes):
    facts = TargetFacts(
        instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e", volume_id="v",
        security_group_id="sg-1",
    )  # fmt: skip
    return facts.model_copy(update=changes)


def test_an_instance_that_is_not_there_proves_nothing(run):
    run.record(known())
    for check in (check_instance.check_instance_is_this_runs, check_instance.check_ipv6_address_is_recorded):
        with pytest.raises(CouldNotVerify, match="one with our tags"):
            check(PLAN, run, None)
    with pytest.raises(CouldNotVerify, match="one with our tags"):
        check_instance.check_metadata_needs_a_token(PLAN, None)


@pytest.mark.parametrize("change", [{"id": "i-2"}, {"state": "stopped"}])
def test_another_instance_than_the_launched_one(run, change):
    run.record(known())
    check_instance.check_instance_is_this_runs(PLAN, run, OURS)
    with pytest.raises(NoGo, match="i-1, running"):
        check_instance.check_instance_is_this_runs(PLAN, run, OURS._replace(instance=replace(INSTANCE, **change)))


@pytest.mark.parametrize("groups", [{"sg-1": "other"}, {"sg-1": TARGET.security_group, "sg-2": "other"}])
def test_a_security_group_more_is_taken_off_and_no_instance_is_ended_for_it(groups):
    check_instance.check_security_group_is_the_plans(PLAN, OURS)
    with pytest.raises(NoGo, match="the security groups of i-1") as caught:
        check_instance.check_security_group_is_the_plans(
            PLAN, OURS._replace(instance=replace(INSTANCE, security_groups=groups))
        )
    assert "Change security groups" in caught.value.remedy
    assert "--new" not in caught.value.remedy


@pytest.mark.parametrize("change", [{"image": "ami-0"}, {"type": "t3.micro"}])
def test_another_instance_than_the_planned_one(change):
    check_instance.check_instance_is_as_planned(PLAN, OURS)
    with pytest.raises(NoGo, match="i-1"):
        check_instance.check_instance_is_as_planned(PLAN, OURS._replace(instance=replace(INSTANCE, **change)))


@pytest.mark.parametrize("found", [{}, {"e": "192.0.2.5"}, {"e": "192.0.2.4", "f": "192.0.2.6"}])
def test_another_elastic_address(run, found):
    run.record(known())
    check_instance.check_address_is_fixed(PLAN, run, OURS, {"e": "192.0.2.4"})
    with pytest.raises(NoGo, match="the elastic address of i-1"):
        check_instance.check_address_is_fixed(PLAN, run, OURS, found)


@pytest.mark.parametrize("disk", [None, Disk("vol-9", deleted=False), Disk("v", deleted=True)])
def test_a_data_volume_that_is_not_ours_or_would_be_deleted(run, disk):
    run.record(known())
    check_instance.check_data_volume_outlives_the_instance("/dev/xvdf", PLAN, run, OURS)
    other = OURS._replace(disks={"/dev/xvdf": disk} if disk else {})
    with pytest.raises(NoGo, match="/dev/xvdf of i-1"):
        check_instance.check_data_volume_outlives_the_instance("/dev/xvdf", PLAN, run, other)


def test_a_volume_in_the_place_of_the_instances_own_store(run):
    run.record(known(volume_id=""))
    check_instance.check_instance_store_is_no_volume("/dev/sdb", PLAN, run, OURS)
    with pytest.raises(NoGo, match="no EBS volume"):
        check_instance.check_instance_store_is_no_volume("/dev/sdf", PLAN, run, OURS)


def test_a_metadata_service_that_asks_for_no_token():
    check_instance.check_metadata_needs_a_token(PLAN, OURS)
    with pytest.raises(NoGo, match="--http-tokens required"):
        check_instance.check_metadata_needs_a_token(PLAN, OURS._replace(tokens="optional"))


@pytest.mark.parametrize(("recorded", "found"), [("", NEW_IPV6), (NEW_IPV6, "2001:db8::77"), (NEW_IPV6, None)])
def test_another_ipv6_address_than_the_recorded_one_is_red(ipv6_plan, run, recorded, found):
    run.record(known(ipv6_address=recorded))
    with pytest.raises(NoGo, match="IPv6 address of i-1"):
        check_instance.check_ipv6_address_is_recorded(ipv6_plan, run, OURS._replace(instance=ipv6_instance(found)))
