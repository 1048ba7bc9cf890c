"""AAAA records that move: what the plan must say, what is launched, what is let in, and one that is forgotten."""

from pathlib import Path

import boto3
import pytest

from checks import check_instance, check_ttl
from fixtures.connect.cloud import Instance, read_instance
from fixtures.connect.nameservers import Answer
from fixtures.errors import NoGo, PlanError, Refused, StepFailed
from fixtures.plan import load_plan, parse_plan
from fixtures.policy import ingress
from fixtures.policy.ingress import Ingress, of_permissions
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from steps.night import names
from steps.provision import firewall, instance

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml"
OLD, NEW = "2001:db8::10", "2001:db8::9"


def text(*, source=True, rule=True):
    """The example with an AAAA record, and what belongs to it."""
    made = EXAMPLE.read_text().replace(
        '{ name = "www.smallpayroll.test", type = "A" }', '{ name = "app.smallpayroll.test", type = "AAAA" }'
    )
    if source:
        made = made.replace("# ipv6_address", "ipv6_address")
    if rule:
        made = made.replace("public = [", 'public = [{ port = 443, source = "::/0", purpose = "users by IPv6" },\n#', 1)
    return made


@pytest.fixture
def plan():
    return parse_plan(text(), EXAMPLE)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "20260101T000000Z-smallpayroll")


class Servers:
    """Every server answers these addresses."""

    def __init__(self, **values):
        self.values = values

    def ask(self, server, name, rdtype="A"):
        found = tuple(self.values.get(rdtype, ()))
        return Answer(server.name, found, 3600 if found else None, authoritative=True, exists=True)


def test_aaaa_records_need_an_address_on_production_and_a_way_in(plan):
    assert plan.dns.moves_ipv6
    assert str(plan.source.address_for("AAAA")) == OLD
    assert not load_plan(EXAMPLE).dns.moves_ipv6
    for broken, key in ((text(source=False), "source.ipv6_address"), (text(rule=False), "::/0")):
        with pytest.raises(PlanError, match=key):
            parse_plan(broken, EXAMPLE)


def test_what_dns_says_before_must_be_production_in_both_families(plan):
    before = names.read_before(plan, Servers(A=["198.51.100.10"], AAAA=[OLD]))
    assert before.records["app.smallpayroll.test AAAA"] == [OLD]
    with pytest.raises(Refused, match="2001:db8::66"):
        names.read_before(plan, Servers(A=["198.51.100.10"], AAAA=["2001:db8::66"]))


def test_a_forgotten_aaaa_record_is_red():
    plan = load_plan(EXAMPLE)
    record, server = plan.dns.records[0], plan.dns.primary
    check_ttl.check_no_other_family_is_forgotten(record, server, plan, Servers(A=["198.51.100.10"]))
    with pytest.raises(NoGo, match="AAAA 2001:db8::10, forgotten"):
        check_ttl.check_no_other_family_is_forgotten(record, server, plan, Servers(A=["198.51.100.10"], AAAA=[OLD]))


def test_users_are_let_in_by_ipv6_as_the_plan_says(plan):
    rule = Ingress("tcp", 443, 443, "::/0")
    assert rule in ingress.when_open(plan)
    assert rule not in ingress.before_opening(plan)
    assert of_permissions([firewall.permission(rule, "users")]) == {rule}


def test_the_instance_is_asked_for_with_an_ipv6_address_and_gets_one(plan, run, endpoint):
    ec2 = boto3.client(
        "ec2", endpoint_url=endpoint, region_name="eu-central-1",
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    whole = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    part = whole.replace("/56", "/64")
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.0.0.0/24", Ipv6CidrBlock=part)["Subnet"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc["VpcId"])["GroupId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    asked = instance.launch_request(plan, run, group, 0)
    assert asked["Ipv6AddressCount"] == 1
    assert "Ipv6AddressCount" not in instance.launch_request(load_plan(EXAMPLE), run, group, 0)
    ec2.import_key_pair(
        KeyName="k",
        PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    )
    del asked["IamInstanceProfile"]  # moto has none of that name
    ec2.run_instances(**(asked | {"ImageId": image, "SubnetId": subnet["SubnetId"], "KeyName": "k"}))
    described = ec2.describe_instances()["Reservations"][0]["Instances"][0]
    made = read_instance(described)
    assert made.ipv6_address
    assert instance.ipv6_address(plan, made) == made.ipv6_address
    assert instance.ipv6_address(load_plan(EXAMPLE), made) == ""


def known(ipv6):
    return Instance("i-1", "running", "", "", "", "", None, "192.0.2.4", {}, {}, {}, ipv6_address=ipv6)


def test_a_subnet_without_ipv6_stops_the_launch(plan):
    with pytest.raises(StepFailed, match="IPv6"):
        instance.ipv6_address(plan, known(None))


@pytest.mark.parametrize(("recorded", "found"), [("", NEW), (NEW, "2001:db8::77"), (NEW, None)])
def test_another_ipv6_address_than_the_recorded_one_is_red(plan, run, recorded, found):
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e", volume_id="v",
            security_group_id="sg-1", ipv6_address=recorded,
        )
    )  # fmt: skip
    with pytest.raises(NoGo, match="IPv6 address of i-1"):
        check_instance.check_ipv6_address_is_recorded(known(found), plan, run)
