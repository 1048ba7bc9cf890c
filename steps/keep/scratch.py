"""A scratch instance: launched from an image to try it, with a key and a firewall of its own, and gone afterwards."""

import logging
import shutil
import time
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from botocore.exceptions import ClientError

from fixtures.connect.cloud import GONE, PLAN_TAG, SCRATCH_TAG, Cloud, Instance, aws_errors, read_instance
from fixtures.connect.host import open_host
from fixtures.connect.ssh import target_login
from fixtures.errors import StepFailed
from fixtures.plan import Plan
from fixtures.policy.ingress import before_opening
from fixtures.run import places
from fixtures.run.evidence import PASS, PLAN, GateResult
from fixtures.run.records import MadeImage, ScratchBoot, TargetFacts
from fixtures.run.run import Run, make_run
from fixtures.scripts import script
from steps.engine.gate import Gates
from steps.keep import sealing
from steps.provision.firewall import create_group, permission
from steps.provision.first_login import await_cloud_init, await_ssh, console_host_keys
from steps.provision.instance import wait_for
from steps.provision.key_pair import import_key, write_new_key

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RunInstancesRequestTypeDef, TagTypeDef

log = logging.getLogger(__name__)

USER_DATA = "#cloud-config\nssh_deletekeys: false\n"
"""Host keys that were left in the image would stay, and be presented."""
BUILD = ("runtime_installed", "release_copied", "dependencies_installed", "pack_configured", "web_configured")
"""The build's states that hold on an instance without data volume."""
WITHOUT_SECRETS = ("runtime_installed", "pack_configured")
"""Those that hold where the application's and TLS secrets were left out too."""

_GONE_SECONDS = 300

_INSPECT = script(__file__, "inspect.sh")


def try_image(plan: Plan, run: Run, cloud: Cloud, image: MadeImage) -> ScratchBoot:
    """Launch an instance of the image, run the build checks on it, look for what it may not hold, and remove it.

    What an attempt that died left behind is removed first.
    """
    begun = time.monotonic()
    directory = run.directory.resolve() / "scratch"
    remove(plan, cloud)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    make_run(directory)
    key = directory / "key"
    try:
        facts, instance = _launch(plan, cloud, image, key)
        shown = console_host_keys(plan, cloud, instance)
        facts.host_keys = shown
        known = run.records(TargetFacts).host_keys
        leftovers = ["the target's own SSH host key"] if set(shown) & set(known) else []
        leftovers += _inspect(plan, run, facts, image, key)
        result = _gate(plan, run, directory, facts, image)
    finally:
        key.unlink(missing_ok=True)
        remove(plan, cloud)
    return ScratchBoot(
        instance_id=instance,
        states=result.states,
        verdict=result.verdict,
        checks=len(result.results),
        failed=[check for check in result.results if check.outcome not in PASS],
        leftovers=leftovers,
        seconds=round(time.monotonic() - begun, 3),
    )


def name_of(plan: Plan) -> str:
    """What the scratch instance, its key pair and its group are called."""
    return f"{plan.target.name}-scratch"


def launch_request(plan: Plan, image_id: str, group: str) -> "RunInstancesRequestTypeDef":
    """The request to EC2: no profile, no further volume, and a public address for as long as it lives."""
    tags = _tags(plan)
    return {
        "ImageId": image_id,
        "InstanceType": plan.target.instance_type,  # type: ignore[typeddict-item]  # a name EC2 will judge
        "KeyName": name_of(plan),
        "MinCount": 1,
        "MaxCount": 1,
        "UserData": USER_DATA,
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": plan.target.subnet,
                "Groups": [group],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ],
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}, {"ResourceType": "volume", "Tags": tags}],
    }


def _tags(plan: Plan) -> "list[TagTypeDef]":
    return [
        {"Key": "Name", "Value": name_of(plan)},
        {"Key": PLAN_TAG, "Value": plan.name},
        {"Key": SCRATCH_TAG, "Value": plan.name},
    ]


def _launch(plan: Plan, cloud: Cloud, image: MadeImage, key: Path) -> tuple[TargetFacts, str]:
    write_new_key(key)
    with aws_errors("launching a scratch instance"):
        import_key(cloud, name_of(plan), paramiko.PKey.from_path(key), _tags(plan))
        group = _group(plan, cloud)
        launched = cloud.ec2.run_instances(**launch_request(plan, image.image_id, group))["Instances"][0]["InstanceId"]
    log.info("scratch instance %s of %s", launched, image.image_id)
    limit = plan.target.launch_minutes * 60
    instance = wait_for(lambda: _running(cloud, launched), limit, f"the scratch instance {launched}", "running")
    facts = TargetFacts(
        instance_id=launched,
        private_address=instance.private_address or "",
        public_address=instance.public_address or "",
        allocation_id="",
        volume_id="",
        security_group_id=group,
        key_file=str(key),
    )
    return facts, launched


def _group(plan: Plan, cloud: Cloud) -> str:
    """A group that lets the operator in and nobody else, and lets nothing out: a copy of production acts on nobody."""
    description = f"gonogo: tries the image of {plan.name}"
    group = create_group(cloud, plan, name_of(plan), description, _tags(plan))
    made = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    cloud.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=made["IpPermissionsEgress"])
    own = str(ip_network(str(plan.operator.address)))
    rules = sorted(rule for rule in before_opening(plan) if rule.source == own)
    cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(rule) for rule in rules])
    return group


def _running(cloud: Cloud, instance_id: str) -> Instance | None:
    filters: Any = [{"Name": "instance-id", "Values": [instance_id]}]
    with aws_errors(f"looking at {instance_id}"):
        found = cloud.ec2.describe_instances(Filters=filters)["Reservations"]
    if not found:
        return None  # not in EC2's own lists yet
    instance = read_instance(found[0]["Instances"][0])
    if instance.state not in {"pending", "running"}:
        raise StepFailed(
            f"the scratch instance {instance_id}",
            expected="running",
            found=instance.state,
            remedy="the image does not boot: read the instance's console, mend the target, run the same command again",
        )
    return instance if instance.state == "running" and instance.public_address else None


def _inspect(plan: Plan, run: Run, facts: TargetFacts, image: MadeImage, key: Path) -> list[str]:
    await_ssh(plan, facts.public_address)
    login = target_login(plan, facts.public_address, facts.host_keys[0]).model_copy(update={"key_file": key})
    host = open_host("scratch", login, plan.resolve)
    try:
        await_cloud_init(plan, host)
        command = inspect_command(plan, run, image, paramiko.PKey.from_path(key).get_base64())
        return host.check(command, timeout=300).splitlines()
    finally:
        host.close()


def inspect_command(plan: Plan, run: Run, image: MadeImage, key: str) -> list[str]:
    """The command that prints a line for each thing on the instance that no image may hold."""
    application = plan.application
    return [
        *_INSPECT, key, str(plan.target.volume.mount), image.instance_id, str(places.QUARANTINED), places.EGRESS_TABLE,
        "yes" if image.secrets else "no",
        *sealing.secret_files(plan, run), "--", *application.workers, "--", *map(str, application.cron), "--",
    ]  # fmt: skip


def _gate(plan: Plan, run: Run, directory: Path, facts: TargetFacts, image: MadeImage) -> GateResult:
    """The build's own checks, on the scratch instance in the target's place: a run within the run."""
    shutil.copytree(run.directory / "records", directory / "records", dirs_exist_ok=True)
    shutil.copy(run.directory / PLAN, directory / PLAN)
    trial = Run(directory)
    trial.record(facts)
    gates = Gates(plan, trial)
    try:
        gates.collect()
        return gates.ask(BUILD if image.secrets else WITHOUT_SECRETS)
    finally:
        gates.close()


def remove(plan: Plan, cloud: Cloud) -> None:
    """Terminate every scratch instance of this plan and delete its volumes, key pair and group, whoever left them."""
    ours: Any = [{"Name": f"tag:{SCRATCH_TAG}", "Values": [plan.name]}]
    with aws_errors("removing the scratch instance"):
        if instances := _instances(cloud, ours):
            cloud.ec2.terminate_instances(InstanceIds=instances)
            wait_for(
                lambda: None if _instances(cloud, ours) else True,
                _GONE_SECONDS,
                f"the scratch instance {', '.join(instances)}",
                "terminated",
            )
        for volume in cloud.ec2.describe_volumes(Filters=ours)["Volumes"]:
            if volume["State"] == "available":
                cloud.ec2.delete_volume(VolumeId=volume["VolumeId"])
        for pair in cloud.ec2.describe_key_pairs(Filters=ours)["KeyPairs"]:
            cloud.ec2.delete_key_pair(KeyName=pair["KeyName"])
        for group in cloud.ec2.describe_security_groups(Filters=ours)["SecurityGroups"]:
            wait_for(
                lambda group=group["GroupId"]: _delete_group(cloud, group),  # type: ignore[misc]
                _GONE_SECONDS,
                f"the security group {group['GroupId']}",
                "deleted",
            )


def _instances(cloud: Cloud, ours: Any) -> list[str]:
    found = cloud.ec2.describe_instances(Filters=ours)["Reservations"]
    entries = [entry for reservation in found for entry in reservation["Instances"]]
    # Until it is terminated its interface holds on to the group.
    return [entry["InstanceId"] for entry in entries if entry["State"]["Name"] != GONE[-1]]


def _delete_group(cloud: Cloud, group: str) -> bool | None:
    try:
        cloud.ec2.delete_security_group(GroupId=group)
    except ClientError as error:
        if error.response["Error"]["Code"] == "DependencyViolation":
            return None  # an interface that is just going away still has it
        raise
    return True
