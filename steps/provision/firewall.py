"""The target's virtual firewall: a security group that lets in what the plan lists and nothing else."""

import logging
from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING

from fixtures.connect.cloud import PLAN_TAG, Cloud, aws_errors
from fixtures.errors import Refused
from fixtures.facts.security_group import security_group
from fixtures.plan import Plan
from fixtures.policy import ingress
from fixtures.policy.ingress import Ingress
from steps.step import step

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef, TagTypeDef

log = logging.getLogger(__name__)


@step(needs=["source_surveyed"], gives=["firewall_ready"], harmless=True)
def open_firewall(plan: Plan, cloud: Cloud) -> None:
    """Let in the operator and the listed copying; users come later."""
    set_ingress(cloud, plan, ingress.before_opening(plan))


def set_ingress(cloud: Cloud, plan: Plan, wanted: frozenset[Ingress]) -> str:
    """Have the plan's group let in exactly `wanted`, what is missing first; makes the group where there is none.

    Returns the group's id. Raises `Refused` for a group of that name that gonogo did not make.
    """
    name = plan.target.security_group
    with aws_errors("changing the security group"):
        group = security_group(cloud, plan)
        if group is not None and group.tags.get(PLAN_TAG) != plan.name:
            raise Refused(
                f"the security group {name}",
                expected=f"none yet, or one that gonogo made for {plan.name} (tag {PLAN_TAG})",
                found=f"{group.id}, made by somebody else",
                remedy="give another name in target.security_group",
            )
        tags: list[TagTypeDef] = [{"Key": "Name", "Value": name}, {"Key": PLAN_TAG, "Value": plan.name}]
        group_id = group.id if group else create_group(cloud, plan, name, f"gonogo: the target of {plan.name}", tags)
        present = group.ingress if group else frozenset()
        for rule in sorted(wanted - present):
            purpose = purposes(plan).get(rule, "gonogo")
            cloud.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission(rule, purpose)])
            log.info("firewall: %s opened for %s", rule, purpose)
        for rule in sorted(present - wanted):
            cloud.ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=[permission(rule)])
            log.info("firewall: %s closed", rule)
    return group_id


def permission(rule: Ingress, purpose: str = "") -> "IpPermissionTypeDef":
    """A rule in EC2's form."""
    request: IpPermissionTypeDef = {"IpProtocol": rule.protocol}
    if rule.protocol != "-1":
        request["FromPort"], request["ToPort"] = rule.first, rule.last
    if rule.source.startswith("sg-"):
        request["UserIdGroupPairs"] = [{"GroupId": rule.source}]
    elif rule.source.startswith("pl-"):
        request["PrefixListIds"] = [{"PrefixListId": rule.source}]
    elif ip_network(rule.source).version == 6:
        request["Ipv6Ranges"] = [{"CidrIpv6": rule.source, "Description": purpose}]
    else:
        request["IpRanges"] = [{"CidrIp": rule.source, "Description": purpose}]
    return request


def purposes(plan: Plan) -> dict[Ingress, str]:
    """What each rule of the plan is for, in the characters that EC2 allows in a description."""
    listed: Iterable[tuple[Ingress, str]] = (
        (Ingress("tcp", rule.port, rule.port, str(rule.source)), rule.purpose)
        for rule in (*plan.target.public, *plan.target.copying)
    )
    return {
        rule: "".join(c for c in text if c.isalnum() or c in " ._-:/()#,@[]+=&;{}!$*")[:255] for rule, text in listed
    }


def create_group(cloud: Cloud, plan: Plan, name: str, description: str, tags: "list[TagTypeDef]") -> str:
    """Make a security group in the network of the plan's subnet; its id."""
    network = cloud.ec2.describe_subnets(SubnetIds=[plan.target.subnet])["Subnets"][0]["VpcId"]
    return cloud.ec2.create_security_group(
        GroupName=name,
        Description=description,
        VpcId=network,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
