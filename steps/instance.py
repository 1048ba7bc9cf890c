"""The key pair, the instance, and the first login."""

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures import facts, places
from fixtures.cloud import GONE, PLAN_TAG, RUN_TAG, Cloud, Instance, aws_errors
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.evidence import Survey, TargetFacts
from fixtures.host import Host, open_host
from fixtures.plan import Plan
from fixtures.run import Run
from fixtures.ssh import target_login
from steps.step import step

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import BlockDeviceMappingTypeDef, RunInstancesRequestTypeDef, TagTypeDef

log = logging.getLogger(__name__)

T = TypeVar("T")

# Read before anything of Debian's, and in sshd the first word counts.
_SSHD = "/etc/ssh/sshd_config.d/00-gonogo.conf"
_KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"


@step(needs=["source_surveyed"], gives=["key_pair_present"], harmless=True)
def create_key_pair(plan: Plan, cloud: Cloud) -> None:
    """Make the key pair here, keep its private half with mode 0600, and give the cloud the public half."""
    cloud.verify_account()
    path = plan.resolve(plan.target.key_file)
    with aws_errors("looking for the key pair"):
        names = [{"Name": "key-name", "Values": [plan.target.key_name]}]
        in_cloud = cloud.ec2.describe_key_pairs(Filters=names)["KeyPairs"]  # type: ignore[arg-type]  # a list of them
    if not path.exists():
        if in_cloud:
            raise Refused(
                f"the key pair {plan.target.key_name}",
                expected=f"its private half in {path}",
                found="the cloud holds the public half, but the file is not there",
                remedy="put the private key there, or give another name in target.key_name",
            )
        write_new_key(path)
    if not in_cloud:
        key = _key(path)
        log.info("key pair %s: %s", plan.target.key_name, key.fingerprint)
        with aws_errors("importing the key pair"):
            cloud.ec2.import_key_pair(
                KeyName=plan.target.key_name,
                PublicKeyMaterial=f"{key.get_name()} {key.get_base64()}".encode(),
                TagSpecifications=[{"ResourceType": "key-pair", "Tags": [{"Key": PLAN_TAG, "Value": plan.name}]}],
            )


def _key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise StepFailed(
            f"the private key {path}",
            expected="a private key without passphrase",
            found=error.strerror or "unreadable" if isinstance(error, OSError) else "another file",
            remedy="name another file in target.key_file; one that is not there yet is made",
        ) from None


def write_new_key(path: Path) -> None:
    """Write a new private key, 0600 from its first byte on; raises `FileExistsError` rather than overwrite."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # whole or not at all, and never over another file
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@step(needs=["key_pair_present", "firewall_ready", "ami_inspected"], gives=["instance_running"], harmless=True)
def launch_instance(plan: Plan, run: Run, cloud: Cloud) -> None:
    """Launch the instance with its data volume, wait until it runs, and give it a fixed address."""
    cloud.verify_account()
    with aws_errors("launching the instance"):
        group = facts.security_group(cloud, plan)
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
            remedy=f"give the subnet {plan.target.subnet} an IPv6 range, terminate the instance, and run again",
        )
    return instance.ipv6_address


def launch_request(plan: Plan, run: Run, group: str, ended: int) -> "RunInstancesRequestTypeDef":
    """What EC2 is asked for. Asked twice with the same token it launches once; `ended` instances of the run are gone."""
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
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
        ],
    }
    if plan.dns.moves_ipv6:
        request["Ipv6AddressCount"] = 1
    if plan.target.instance_profile:
        request["IamInstanceProfile"] = {"Name": plan.target.instance_profile}
    return request


def _ended(run: Run, cloud: Cloud) -> int:
    filters = [
        {"Name": f"tag:{RUN_TAG}", "Values": [run.name]},
        {"Name": "instance-state-name", "Values": list(GONE)},
    ]
    found = cloud.ec2.describe_instances(Filters=filters)["Reservations"]  # type: ignore[arg-type]  # a list of them
    return sum(len(group["Instances"]) for group in found)


def _tags(plan: Plan, run: Run) -> "list[TagTypeDef]":
    return [
        {"Key": "Name", "Value": plan.target.name},
        {"Key": PLAN_TAG, "Value": plan.name},
        {"Key": RUN_TAG, "Value": run.name},
    ]


def _wait_until_running(plan: Plan, run: Run, cloud: Cloud) -> Instance:
    told = ""

    def running() -> Instance | None:
        nonlocal told
        instance = cloud.instance()
        if instance is None:
            return None  # not in EC2's own lists yet
        if instance.tags.get(RUN_TAG) != run.name:
            raise Refused(
                f"the instance {instance.id}",
                expected=f"the one that run {run.name} launched",
                found=f"it belongs to run {instance.tags.get(RUN_TAG, '(none)')}",
                remedy="go on with that run, or terminate the instance, then run the same command again",
            )
        if instance.state != told:
            log.info("instance %s: %s", instance.id, instance.state)
            told = instance.state
        if instance.state not in {"pending", "running"}:
            raise StepFailed(
                f"the instance {instance.id}",
                expected="running",
                found=instance.state,
                remedy="read its state transition reason in the EC2 console; start or terminate it, then run again",
            )
        return instance if instance.state == "running" else None

    return wait_for(running, plan.target.launch_minutes * 60, "the instance", "running")


def _fixed_address(plan: Plan, run: Run, cloud: Cloud, instance: str) -> tuple[str, str]:
    """Allocation id and address of this run's elastic address, associated with the instance."""
    found = cloud.ec2.describe_addresses(
        Filters=[
            {"Name": f"tag:{PLAN_TAG}", "Values": [plan.name]},
            {"Name": f"tag:{RUN_TAG}", "Values": [run.name]},
        ]
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
            remedy="disassociate it, then run the same command again",
        )
    if not holder:
        cloud.ec2.associate_address(AllocationId=allocation, InstanceId=instance, AllowReassociation=False)
    return allocation, address


@step(needs=["instance_running"], gives=["ssh_ready"], harmless=True)
def pin_host_key(plan: Plan, run: Run, cloud: Cloud) -> None:
    """Take the host key from the console, log in under it, close password logins, and mark the host as this run's."""
    target_facts = run.records(TargetFacts)
    limit = plan.target.launch_minutes * 60
    keys = wait_for(
        lambda: cloud.console_host_keys(target_facts.instance_id) or None, limit, "the console", "the host's keys on it"
    )
    target_facts.host_keys = sorted(keys, key=lambda key: not key.startswith("ssh-ed25519"))
    run.record(target_facts)
    wait_for(
        lambda: ssh_answers(target_facts.public_address) or None, limit, target_facts.public_address, "an SSH server"
    )
    target = _log_in(plan, target_facts)
    try:
        log.info("waiting for cloud-init")
        # 1 is a failure; 2, of newer versions, a warning that it recovered from.
        target.check(["sh", "-c", "cloud-init status --wait; [ $? -ne 1 ]"], timeout=limit)
        target.write_file(_SSHD, _KEYS_ONLY)
        target.check(["sh", "-c", "sshd -t && systemctl reload ssh"])
        zone = run.records(Survey).time_zone
        if facts.time_zone(target) != zone:
            target.check(["timedatectl", "set-timezone", zone])
        _mark(target, run, target_facts)
    finally:
        target.close()


def _mark(target: Host, run: Run, target_facts: TargetFacts) -> None:
    path, own = str(places.MARKER), places.marker(run, target_facts)
    present = target.check(["sh", "-c", 'cat "$1" 2>/dev/null || true', "marker", path])
    if present not in ("", own):
        raise Refused(
            f"{path} on the target",
            expected="no marker, or this run's",
            found=present,
            remedy="go on with that run, or terminate the instance, then run the same command again",
        )
    target.check(["install", "-d", "-m", "0755", str(places.STATE_DIRECTORY)])
    target.write_file(path, own)


def ssh_answers(address: str) -> bool:
    """Whether an SSH server answers at port 22."""
    with suppress(OSError), socket.create_connection((address, 22), timeout=3) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _log_in(plan: Plan, target_facts: TargetFacts, tries: int = 5) -> Host:
    login = target_login(plan, target_facts.public_address, target_facts.host_keys[0])
    while True:
        try:
            return open_host("target", login, plan.resolve)
        except CouldNotVerify:
            # A host that has only just booted may refuse users for a moment more.
            tries -= 1
            if not tries:
                raise
            time.sleep(2)


def wait_for(probe: Callable[[], T | None], limit: float, subject: str, expected: str) -> T:
    """Ask until the answer is not None; raises `StepFailed` after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        answer = probe()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise StepFailed(
                subject,
                expected=f"{expected} within {limit:g} seconds",
                found="not yet",
                remedy="look at the instance's console in EC2, then run the same command again, which waits again",
            )
        time.sleep(1)
