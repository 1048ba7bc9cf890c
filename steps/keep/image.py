"""The image: taken of the finished target at rest, without keys and without the data mount, and tried."""

import logging
from typing import TYPE_CHECKING

from fixtures.connect.cloud import PLAN_TAG, RUN_TAG, Cloud, aws_errors
from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.fact import ask
from fixtures.facts.images import MachineImage, find_image, images_of
from fixtures.plan import Plan
from fixtures.run.evidence import Verdict, now
from fixtures.run.records import MadeImage, TargetFacts
from fixtures.run.run import Run
from steps.build.postgresql import server_unit
from steps.keep import scratch, sealing
from steps.provision.instance import wait_for
from steps.step import step

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import CreateImageRequestTypeDef, TagTypeDef

log = logging.getLogger(__name__)

MINUTES = 60
"""How long EC2 may take to finish an image."""
SNAPSHOT_SECONDS = 60
"""How long it may take to begin one; the target is at rest meanwhile."""


@step(needs=["rehearsed", "target_quarantined"], gives=["image_made"], harmless=True)
def make_image(plan: Plan, run: Run, target: Host, cloud: Cloud) -> None:
    """Take an image of the target at rest, without keys and the data mount, and try an instance of it."""
    sealing.unseal(target)  # what a process that died left behind
    made = _unfinished(run, cloud)
    _remove_superseded(plan, run, cloud, keep=made.image_id if made else "")
    if made is None:
        made = _take(plan, run, target, cloud)
        run.record(made)
    _wait_available(cloud, made.image_id)
    boot = scratch.try_image(plan, run, cloud, made)
    run.record(made.model_copy(update={"scratch": boot}))
    if boot.verdict is not Verdict.GO or boot.leftovers:
        raise StepFailed(
            f"the instance {boot.instance_id} of the image {made.image_id}",
            expected="every build check go, and nothing on it that no image may hold",
            found="; ".join([*boot.leftovers, *(f"{check.id}: {check.problem}" for check in boot.failed)])
            or boot.verdict.value,
            remedy="mend that on the target, then run the same command again, which makes a new image",
        )
    _remove_superseded(plan, run, cloud, keep=made.image_id)


def _unfinished(run: Run, cloud: Cloud) -> MadeImage | None:
    """The image that an earlier process took at rest and did not come to try."""
    if not run.has(MadeImage):
        return None
    known = run.records(MadeImage)
    found = find_image(cloud, known.image_id)
    return known if found and known.scratch is None and found.state in {"pending", "available"} else None


def create_request(plan: Plan, run: Run, instance: str, name: str) -> "CreateImageRequestTypeDef":
    """The request to EC2: an image of the root disk, without a reboot, since the target was put at rest."""
    tags: list[TagTypeDef] = [
        {"Key": "Name", "Value": plan.image.name},
        {"Key": PLAN_TAG, "Value": plan.name},
        {"Key": RUN_TAG, "Value": run.name},
    ]
    return {
        "InstanceId": instance,
        "Name": name,
        "Description": f"gonogo: the target of {plan.name}, as run {run.name} built it",
        "NoReboot": True,
        "BlockDeviceMappings": [{"DeviceName": plan.target.volume.device, "NoDevice": ""}],
        "TagSpecifications": [{"ResourceType": "image", "Tags": tags}, {"ResourceType": "snapshot", "Tags": tags}],
    }


def units(plan: Plan) -> list[str]:
    """What rests while the image is taken, in the order in which it starts again."""
    stores = [server_unit(plan), *([plan.redis.unit] if plan.redis else [])]
    return [*stores, *plan.application.pack]


def secrets(plan: Plan, run: Run) -> list[str]:
    """Files with the application's and TLS secrets, for a plan that keeps them out of the image."""
    return [] if plan.image.keep_secrets else sealing.secret_files(plan, run)


def _take(plan: Plan, run: Run, target: Host, cloud: Cloud) -> MadeImage:
    """The image, begun while the target was at rest and sealed from the first moment to the last."""
    begun, instance = now(), run.records(TargetFacts).instance_id
    name = f"{plan.image.name}-{begun:%Y%m%dT%H%M%SZ}"
    log.info("taking the image %s", name)
    try:
        sealing.seal(target, units(plan), secrets(plan, run))
        with aws_errors("taking the image"):
            image_id = cloud.ec2.create_image(**create_request(plan, run, instance, name))["ImageId"]
        wait_for(lambda: _has_begun(cloud, image_id) or None, SNAPSHOT_SECONDS, image_id, "its snapshot to begin")
        sealed = sealing.is_sealed(target)
    finally:
        sealing.unseal(target)
    if not sealed:
        _discard(cloud, find_image(cloud, image_id))
        raise StepFailed(
            f"the image {image_id}",
            expected=f"its snapshot to begin within {sealing.SECONDS} seconds",
            found="the target took its keys back before that; the image was removed",
            remedy="run the same command again",
        )
    return MadeImage(image_id=image_id, name=name, instance_id=instance, made=begun, secrets=plan.image.keep_secrets)


def _has_begun(cloud: Cloud, image_id: str) -> bool:
    """Whether EC2 works on the image: its moment has then passed."""
    with aws_errors("looking for the image's snapshot"):
        found = cloud.ec2.describe_snapshots(
            OwnerIds=["self"], Filters=[{"Name": "description", "Values": [f"*{image_id}*"]}]
        )["Snapshots"]
    image = find_image(cloud, image_id)
    return bool(found) and image is not None and image.state in {"pending", "available"}


def _wait_available(cloud: Cloud, image_id: str) -> None:
    logged = ""

    def available() -> bool | None:
        nonlocal logged
        image = find_image(cloud, image_id)
        state = image.state if image else "absent"
        if state != logged:
            log.info("image %s: %s", image_id, state)
            logged = state
        if state not in {"pending", "available"}:
            raise StepFailed(
                f"the image {image_id}",
                expected="available",
                found=state,
                remedy="read its state reason in the EC2 console, then run the same command again, which makes another",
            )
        return True if state == "available" else None

    wait_for(available, MINUTES * 60, f"the image {image_id}", "available")


def _remove_superseded(plan: Plan, run: Run, cloud: Cloud, *, keep: str) -> None:
    """Remove this run's images but one: those that a process which died left, and those a newer one replaces."""
    known = {keep, run.records(MadeImage).image_id} if run.has(MadeImage) else {keep}
    for image in ask(cloud, images_of(plan, run)):
        if image.id not in known:
            _discard(cloud, image)


def _discard(cloud: Cloud, image: MachineImage | None) -> None:
    if image is None:
        return
    log.info("removing the image %s", image.id)
    with aws_errors(f"removing the image {image.id}"):
        cloud.ec2.deregister_image(ImageId=image.id)
        for snapshot in image.snapshots:
            cloud.ec2.delete_snapshot(SnapshotId=snapshot)
