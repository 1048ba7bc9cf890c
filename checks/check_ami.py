"""The image that the target is launched from is the one we mean, and fit for it."""

import pytest

from checks.equality import must_equal
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.fact import CloudFact
from fixtures.facts.images import MachineImage, architectures, image, owned_as_planned
from fixtures.facts.wanted import in_cloud
from fixtures.plan import Plan
from fixtures.run.evidence import now
from fixtures.run.records import AmiFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.ami_inspected

CHOOSE = "name another image in target.image"


def _planned(plan: Plan) -> CloudFact[list[MachineImage]]:
    return image(plan.target.image)


def _only(images: list[MachineImage], plan: Plan) -> MachineImage:
    """The plan's image, as EC2 shows it now."""
    if not images:
        raise CouldNotVerify(
            f"the image {plan.target.image}", expected="one that we may see", found="none", remedy=CHOOSE
        )
    return images[0]


def check_owner_is_the_planned_one(plan: Plan, images: list[MachineImage] = in_cloud(_planned)) -> None:
    """The image belongs to the owner that the plan names: anybody can publish one under a trusted name."""
    ami = _only(images, plan)
    found = f"{ami.owner}{f' ({ami.owner_alias})' if ami.owner_alias else ''}"
    if not owned_as_planned(ami, plan):
        raise NoGo(
            f"the owner of {ami.id} ({ami.name})",
            expected=plan.target.image_owner,
            found=found,
            remedy=f"{CHOOSE}, or correct target.image_owner if you know that owner",
        )


def check_image_can_be_launched(plan: Plan, images: list[MachineImage] = in_cloud(_planned)) -> None:
    """The image is available, and its owner has not deprecated it."""
    ami = _only(images, plan)
    gone = ami.deprecated is not None and ami.deprecated <= now()
    found = f"deprecated since {ami.deprecated:%Y-%m-%d}" if gone and ami.deprecated else ami.state
    if ami.state != "available" or gone:
        raise NoGo(f"the image {ami.id} ({ami.name})", expected="available, not deprecated", found=found, remedy=CHOOSE)


def check_architecture_fits(
    plan: Plan,
    images: list[MachineImage] = in_cloud(_planned),
    expected: list[str] = in_cloud(lambda plan: architectures(plan.target.instance_type)),
) -> None:
    """The image is made for the instance type's processor."""
    ami = _only(images, plan)
    if ami.architecture not in expected:
        raise NoGo(
            f"the architecture of {ami.id}",
            expected=f"{' or '.join(expected)}, for {plan.target.instance_type}",
            found=ami.architecture,
            remedy=f"{CHOOSE}, or another target.instance_type",
        )


def check_root_is_on_ebs(plan: Plan, images: list[MachineImage] = in_cloud(_planned)) -> None:
    """The root disk is an EBS volume: it outlasts a stop, and an image can be made of it."""
    ami = _only(images, plan)
    must_equal(f"the root device of {ami.id}", expected="ebs", found=ami.root_type, remedy=CHOOSE)


def check_image_brings_no_further_disk(plan: Plan, images: list[MachineImage] = in_cloud(_planned)) -> None:
    """The image brings no disk beside its root: whatever lies there would be somebody else's."""
    ami = _only(images, plan)
    if ami.further_disks:
        raise NoGo(
            f"the disks of {ami.id}",
            expected=f"{ami.root_device} alone",
            found=f"also {', '.join(ami.further_disks)}",
            remedy=CHOOSE,
        )


def check_inspection_was_of_this_image(plan: Plan, run: Run, images: list[MachineImage] = in_cloud(_planned)) -> None:
    """What was recorded of the image is what EC2 shows of it now."""
    ami = _only(images, plan)
    known = run.records(AmiFacts)
    expected = (known.image_id, known.owner, known.created)
    found = (ami.id, ami.owner, ami.created)
    must_equal(
        "the inspected image (id, owner, creation)",
        expected=expected,
        found=found,
        remedy="run the same command again: it inspects the image anew",
    )
