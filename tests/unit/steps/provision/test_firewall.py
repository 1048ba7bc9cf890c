"""The security group: opened before it is closed, and never somebody else's."""

import pytest

from fixtures.errors import Refused
from fixtures.policy import ingress
from fixtures.policy.ingress import Ingress
from steps.provision import firewall
from tests.unit.example import PLAN
from tests.unit.steps.target import Cloud


class Ec2:
    """A security group in memory."""

    def __init__(self, group):
        self.group = group
        self.said = []

    def describe_subnets(self, **_):
        return {"Subnets": [{"VpcId": "vpc-1"}]}

    def describe_security_groups(self, **_):
        return {"SecurityGroups": [{"VpcId": "vpc-1", **self.group}] if self.group else []}

    def authorize_security_group_ingress(self, IpPermissions, **_):  # noqa: N803 - boto3's name
        self.said += [("open", rule) for rule in ingress.of_permissions(IpPermissions)]

    def revoke_security_group_ingress(self, IpPermissions, **_):  # noqa: N803 - boto3's name
        self.said += [("close", rule) for rule in ingress.of_permissions(IpPermissions)]


def test_missing_rules_are_opened_before_others_are_closed():
    kept, extra = Ingress("tcp", 22, 22, "203.0.113.7/32"), Ingress("tcp", 22, 22, "0.0.0.0/0")
    ours = [{"Key": "gonogo:plan", "Value": "smallpayroll"}]
    group = {"GroupId": "sg-1", "IpPermissions": [firewall.permission(r) for r in (kept, extra)], "Tags": ours}
    ec2 = Ec2(group)
    new = Ingress("tcp", 80, 80, "203.0.113.7/32")
    firewall.set_ingress(Cloud(ec2), PLAN, frozenset({kept, new}))
    assert ec2.said == [("open", new), ("close", extra)]


def test_a_group_that_somebody_else_made_is_refused():
    ec2 = Ec2({"GroupId": "sg-1", "IpPermissions": [], "Tags": []})
    with pytest.raises(Refused, match="sg-1"):
        firewall.set_ingress(Cloud(ec2), PLAN, ingress.before_opening(PLAN))
    assert ec2.said == []
