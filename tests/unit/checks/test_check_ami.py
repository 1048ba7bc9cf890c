"""The image that the target is launched from: the checks, each seen red."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from checks import check_ami
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.images import owned_as_planned
from fixtures.run.records import AmiFacts
from tests.unit.example import PLAN
from tests.unit.images import AMI


def test_owner():
    owners = {"amazon": "amazon", "136693071363": "136693071363"}
    for owner in owners:
        plan = PLAN.model_copy(update={"target": PLAN.target.model_copy(update={"image_owner": owner})})
        assert owned_as_planned(AMI, plan)
        assert not owned_as_planned(replace(AMI, owner="999999999999", owner_alias=""), plan)
    own = PLAN.model_copy(update={"target": PLAN.target.model_copy(update={"image_owner": "self"})})
    assert not owned_as_planned(AMI, own)
    with pytest.raises(NoGo, match="the owner of ami-1"):
        check_ami.check_owner_is_the_planned_one(own, [AMI])


@pytest.mark.parametrize("change", [{"state": "pending"}, {"deprecated": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_image_that_should_not_be_launched(change):
    check_ami.check_image_can_be_launched(PLAN, [AMI])
    with pytest.raises(NoGo, match="available, not deprecated"):
        check_ami.check_image_can_be_launched(PLAN, [replace(AMI, **change)])


def test_further_disks_and_instance_store_root():
    check_ami.check_image_brings_no_further_disk(PLAN, [AMI])
    check_ami.check_root_is_on_ebs(PLAN, [AMI])
    with pytest.raises(NoGo, match="/dev/sdc"):
        check_ami.check_image_brings_no_further_disk(PLAN, [replace(AMI, disks=("/dev/xvda", "/dev/sdc"))])
    with pytest.raises(NoGo, match="instance-store"):
        check_ami.check_root_is_on_ebs(PLAN, [replace(AMI, root_type="instance-store")])


def test_another_image_than_the_inspected_one(run):
    known = AmiFacts(
        image_id="ami-1", name="", owner="136693071363", owner_alias="amazon", state="available", architecture="x86_64",
        root_device="/dev/xvda", disks=[], created="2026-01-01", deprecated=None,
    )  # fmt: skip
    run.record(known)
    check_ami.check_inspection_was_of_this_image(PLAN, run, [AMI])
    with pytest.raises(NoGo, match="the inspected image"):
        check_ami.check_inspection_was_of_this_image(PLAN, run, [replace(AMI, created="2026-02-02")])


def test_an_image_that_nobody_shows_us_proves_nothing():
    with pytest.raises(CouldNotVerify, match="one that we may see"):
        check_ami.check_root_is_on_ebs(PLAN, [])
