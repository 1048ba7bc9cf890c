"""The instance: launched once, with its data volume and a fixed address."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fixtures.connect.cloud import GONE, PLAN_TAG, RUN_TAG, UNTAG, Cloud, Instance, aws_errors
from fixtures.errors import Refused, StepFailed
from fixtures.facts.security_group import security_group
from fixtures.plan import Plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from steps.step import step

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import BlockDeviceMappingTypeDef, RunInstancesRequestTypeDef, TagTypeDef

log = logging.getLogger(__name__)

T = TypeVar("T")
NEWS_SECONDS = 8.0
"""Between two lines about what is waited for."""


@step(needs=["key_pair_present", "firewall_ready", "ami_inspected"], gives=["instance_running"], harmless=True)
def launch_instance(plan: Plan, run: Run, cloud: Cloud) -> None:
    """Launch the instance with its data volume, wait until it runs, and give it a fixed address."""
    with aws_errors("launching the instance"):
        group = security_group(cloud, plan)
        if group is None:
            raise StepFailed(
                f"the security group {plan.target.security_group}",
                expected="present",
                found="absent",
                remedy="run the same command again; the step open_firewall makes it",
            )
        if cloud.instance() is None:
            log.info("launching %s from %s", plan.target.instance_type, plan.target.image)
            cloud.ec2.run_instances(**launch_request(plan, run, group.id, _ended(run, cloud)))
        instance = _wait_until_running(plan, run, cloud)
        allocation, address = _fixed_address(plan, run, cloud, instance.id)
    known = run.records(TargetFacts) if run.has(TargetFacts) else None
    run.record(
        TargetFacts(
            instance_id=instance.id,
            private_address=instance.private_address or "",
            public_address=address,
            allocation_id=allocation,
            volume_id=instance.volumes.get(plan.target.volume.device, ""),
            security_group_id=group.id,
            ipv6_address=ipv6_address(plan, instance),
            host_keys=known.host_keys if known and known.instance_id == instance.id else [],
        )
    )
    log.info("instance %s runs at %s", instance.id, address)


def ipv6_address(plan: Plan, instance: Instance) -> str:
    """Where AAAA records of the plan will point, empty without any; raises `StepFailed` when the instance has none."""
    if not plan.dns.moves_ipv6:
        return ""
    if not instance.ipv6_address:
        raise StepFailed(
            f"the instance {instance.id}",
            expected="an IPv6 address: dns.records moves AAAA records",
            found="none",
            remedy=f"give the subnet {plan.target.subnet} an IPv6 range and the instance an address of it, and run the same command again",
        )
    return instance.ipv6_address


def launch_request(plan: Plan, run: Run, group: str, ended: int) -> "RunInstancesRequestTypeDef":
    """The request to EC2. Sent twice with the same token it launches once; `ended` counts the run's terminated instances."""
    tags = _tags(plan, run)
    volume = plan.target.volume
    disk: BlockDeviceMappingTypeDef = {
        "DeviceName": volume.device,
        "Ebs": {"VolumeSize": volume.size_gib, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": False},
    }
    request: RunInstancesRequestTypeDef = {
        "ImageId": plan.target.image,
        "InstanceType": plan.target.instance_type,  # type: ignore[typeddict-item]  # a name EC2 will judge
        "KeyName": plan.target.key_name,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": f"{run.name[:60]}-{ended}",
        "SubnetId": plan.target.subnet,
        "SecurityGroupIds": [group],
        # An instance store comes with the instance type.
        "BlockDeviceMappings": [disk] if volume.kind == "ebs" else [],
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}, {"ResourceType": "volume", "Tags": tags}],
    }
    if plan.dns.moves_ipv6:
        request["Ipv6AddressCount"] = 1
    if plan.target.instance_profile:
        request["IamInstanceProfile"] = {"Name": plan.target.instance_profile}
    return request


def _ended(run: Run, cloud: Cloud) -> int:
    filters = [{"Name": f"tag:{RUN_TAG}", "Values": [run.name]}, {"Name": "instance-state-name", "Values": list(GONE)}]
    found = cloud.ec2.describe_instances(Filters=filters)["Reservations"]  # type: ignore[arg-type]  # a list of them
    return sum(len(group["Instances"]) for group in found)


def _tags(plan: Plan, run: Run) -> "list[TagTypeDef]":
    return [
        {"Key": "Name", "Value": plan.target.name},
        {"Key": PLAN_TAG, "Value": plan.name},
        {"Key": RUN_TAG, "Value": run.name},
    ]


def _wait_until_running(plan: Plan, run: Run, cloud: Cloud) -> Instance:
    logged = ""

    def running() -> Instance | None:
        nonlocal logged
        instance = cloud.instance()
        if instance is None:
            return None  # not in EC2's own lists yet
        if instance.tags.get(RUN_TAG) != run.name:
            raise Refused(
                f"the instance {instance.id}",
                expected=f"the one that run {run.name} launched",
                found=f"it belongs to run {instance.tags.get(RUN_TAG, '(none)')}",
                remedy="go on with that run (`gonogo status`); if it was accepted, this instance is production. To have "
                f"another one launched, set it aside as it is: {UNTAG}; then run the same command again",
            )
        if instance.state != logged:
            log.info("instance %s: %s", instance.id, instance.state)
            logged = instance.state
        if instance.state not in {"pending", "running"}:
            raise StepFailed(
                f"the instance {instance.id}",
                expected="running",
                found=instance.state,
                remedy="read its state transition reason in the EC2 console and start it there, then run the same command again",
            )
        return instance if instance.state == "running" else None

    return wait_for(running, plan.target.launch_minutes * 60, "the instance", "running")


def _fixed_address(plan: Plan, run: Run, cloud: Cloud, instance: str) -> tuple[str, str]:
    """Allocation id and address of this run's elastic address, associated with the instance."""
    found = cloud.ec2.describe_addresses(
        Filters=[{"Name": f"tag:{PLAN_TAG}", "Values": [plan.name]}, {"Name": f"tag:{RUN_TAG}", "Values": [run.name]}]
    )["Addresses"]
    if found:
        allocation, address, holder = found[0]["AllocationId"], found[0]["PublicIp"], found[0].get("InstanceId")
    else:
        made = cloud.ec2.allocate_address(
            Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": _tags(plan, run)}]
        )
        allocation, address, holder = made["AllocationId"], made["PublicIp"], None
    if holder not in (None, "", instance):
        raise Refused(
            f"the address {address}",
            expected=f"free, or held by {instance}",
            found=f"held by {holder}",
            remedy=f"if {holder} does not need it, disassociate it in the EC2 console, then run the same command again",
        )
    if not holder:
        cloud.ec2.associate_address(AllocationId=allocation, InstanceId=instance, AllowReassociation=False)
    return allocation, address


def wait_for(probe: Callable[[], T | None], limit: float, subject: str, expected: str) -> T:
    """Ask until the answer is not None; raises `StepFailed` after `limit` seconds."""
    begun = said = time.monotonic()
    deadline = begun + limit
    while True:
        answer = probe()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise StepFailed(
                subject,
                expected=f"{expected} within {limit:g} seconds",
                found="not yet",
                remedy="look at it in the EC2 console, then run the same command again, which waits again",
            )
        if time.monotonic() - said > NEWS_SECONDS:
            said = time.monotonic()
            log.info("waiting for %s: %s, %.0f s of %.0f s at most", subject, expected, said - begun, limit)
        time.sleep(1)
