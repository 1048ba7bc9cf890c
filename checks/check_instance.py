"""The instance is the one the plan describes."""

import pytest

from checks.equality import must_equal
from fixtures.connect.cloud import RUN_TAG, UNTAG, kernel_name
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.instance import Described, addresses, described
from fixtures.facts.wanted import in_cloud
from fixtures.plan import Plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.instance_running

KEEP = "terminate nothing: an instance of this plan may hold users' data. "
ANOTHER = f"have another one launched: set this one aside ({UNTAG}), then `gonogo run --new`"


def _present(ours: Described | None, plan: Plan) -> Described:
    """The plan's instance, as EC2 shows it now."""
    if ours is None:
        raise CouldNotVerify(
            f"the instance {plan.target.name}",
            expected="one with our tags",
            found="none",
            remedy="run `gonogo run --until instance_running`",
        )
    return ours


def check_instance_is_this_runs(plan: Plan, run: Run, ours: Described | None = in_cloud(described)) -> None:
    """The instance that runs is the one this run launched."""
    instance = _present(ours, plan).instance
    expected = run.records(TargetFacts).instance_id
    if (instance.id, instance.state) != (expected, "running"):
        start = "Start it in the EC2 console, if this run's data are on its volume still"
        other = (
            f"See in the EC2 console (tag {RUN_TAG}) which run launched it, and go on with that one (`gonogo status`)"
        )
        raise NoGo(
            "the instance of the plan",
            expected=f"{expected}, running",
            found=f"{instance.id}, {instance.state}",
            remedy=KEEP + (start if instance.id == expected else other),
        )


def check_instance_is_as_planned(plan: Plan, ours: Described | None = in_cloud(described)) -> None:
    """Image, type, key and subnet are the plan's."""
    instance, target = _present(ours, plan).instance, plan.target
    expected = (target.image, target.instance_type, target.key_name, target.subnet)
    found = (instance.image, instance.type, instance.key_name, instance.subnet)
    must_equal(
        f"{instance.id} (image, type, key, subnet)",
        expected=expected,
        found=found,
        remedy=f"{KEEP}Change a type back in the EC2 console while nobody uses it; where image, key or subnet differ, {ANOTHER}",
    )


def check_security_group_is_the_plans(plan: Plan, ours: Described | None = in_cloud(described)) -> None:
    """The instance is in the plan's security group and in no other: rules of all of them add up."""
    instance = _present(ours, plan).instance
    must_equal(
        f"the security groups of {instance.id}",
        expected=[plan.target.security_group],
        found=sorted(instance.security_groups.values()),
        remedy=f"{KEEP}Give it the group {plan.target.security_group} alone (EC2 console: Actions, Security, Change security groups)",
    )


def check_address_is_fixed(
    plan: Plan,
    run: Run,
    ours: Described | None = in_cloud(described),
    found: dict[str, str] = in_cloud(lambda ours, plan: addresses(_present(ours, plan).instance.id)),
) -> None:
    """The public address is an elastic one of ours: it outlasts a stop."""
    instance, facts = _present(ours, plan).instance, run.records(TargetFacts)
    if found != {facts.allocation_id: facts.public_address}:
        raise NoGo(
            f"the elastic address of {instance.id}",
            expected=f"{facts.public_address} ({facts.allocation_id})",
            found=", ".join(f"{address} ({allocation})" for allocation, address in found.items()) or "none",
            remedy="associate it again, or run `gonogo run --until instance_running`",
        )


def check_ipv6_address_is_recorded(plan: Plan, run: Run, ours: Described | None = in_cloud(described)) -> None:
    """The instance has the IPv6 address that AAAA records will name, where the plan moves some."""
    instance = _present(ours, plan).instance
    recorded = run.records(TargetFacts).ipv6_address
    expected = instance.ipv6_address if plan.dns.moves_ipv6 else ""
    if recorded != expected:
        raise NoGo(
            f"the IPv6 address of {instance.id}",
            expected=expected or "none to be recorded",
            found=recorded or "none recorded",
            remedy="give the subnet an IPv6 range before the launch; then the address must stay the recorded one",
        )


def check_data_volume_outlives_the_instance(
    ebs_device: str, plan: Plan, run: Run, ours: Described | None = in_cloud(described)
) -> None:
    """The data volume is attached where the plan says, and is not deleted with the instance."""
    shown, facts = _present(ours, plan), run.records(TargetFacts)
    found = shown.disks.get(ebs_device)
    if found != (facts.volume_id, False):
        raise NoGo(
            f"{ebs_device} of {shown.instance.id}",
            expected=f"{facts.volume_id}, DeleteOnTermination off",
            found=f"{found.volume}, DeleteOnTermination {'on' if found.deleted else 'off'}" if found else "no volume",
            remedy="attach the volume, and switch DeleteOnTermination off in the EC2 console",
        )


def check_instance_store_is_no_volume(
    store_device: str, plan: Plan, run: Run, ours: Described | None = in_cloud(described)
) -> None:
    """The data disk is the instance's own store, as planned: no EBS volume is attached in its place."""
    shown = _present(ours, plan)
    attached = [disk.volume for name, disk in shown.disks.items() if kernel_name(name) == kernel_name(store_device)]
    found = attached or [run.records(TargetFacts).volume_id]
    if found != [""]:
        raise NoGo(
            f"{store_device} of {shown.instance.id}",
            expected="no EBS volume",
            found=", ".join(found),
            remedy=f"{KEEP}See who attached it and what it holds, then detach it; or {ANOTHER}",
        )


def check_metadata_needs_a_token(plan: Plan, ours: Described | None = in_cloud(described)) -> None:
    """The metadata service answers with a token only (version 2)."""
    shown = _present(ours, plan)
    must_equal(
        f"metadata tokens of {shown.instance.id}",
        expected="required",
        found=shown.tokens,
        remedy=f"aws ec2 modify-instance-metadata-options --instance-id {shown.instance.id} --http-tokens required",
    )
