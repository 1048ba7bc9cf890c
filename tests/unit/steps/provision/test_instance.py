"""The instance as EC2 is asked for it: from the plan, with its profile, and with IPv6 where the plan moves it."""

import boto3
import pytest

from fixtures.connect.cloud import read_instance
from fixtures.errors import StepFailed
from fixtures.plan import load_plan
from steps.provision import instance
from tests.unit import ipv6
from tests.unit.example import EXAMPLE, PLAN
from tests.unit.ipv6 import ipv6_instance
from tests.unit.steps import target as targets

run = targets.run
ipv6_plan = ipv6.ipv6_plan
STORE = PLAN.target.volume.model_copy(update={"kind": "instance-store", "size_gib": 69})


def test_launch_asks_for_what_the_plan_says(run):
    asked = instance.launch_request(PLAN, run, "sg-1", 0)
    assert asked["ClientToken"] == "20260101T000000Z-smallpayroll-0"
    assert (asked["MinCount"], asked["MaxCount"]) == (1, 1)
    assert (asked["ImageId"], asked["KeyName"]) == (PLAN.target.image, PLAN.target.key_name)
    assert (asked["SubnetId"], asked["SecurityGroupIds"]) == (PLAN.target.subnet, ["sg-1"])
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    (disk,) = asked["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvdf"
    assert disk["Ebs"] == {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": False}
    for tagged in asked["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in tagged["Tags"]}
        assert tags == {"Name": "smallpayroll-web", "gonogo:plan": "smallpayroll", "gonogo:run": run.name}


def test_an_instance_store_asks_for_no_volume(run):
    target = PLAN.target.model_copy(update={"volume": STORE})
    asked = instance.launch_request(PLAN.model_copy(update={"target": target}), run, "sg-1", 0)
    assert asked["BlockDeviceMappings"] == []


def test_the_target_is_launched_with_the_profile(run):
    assert instance.launch_request(PLAN, run, "sg-1", 0)["IamInstanceProfile"] == {"Name": "smallpayroll-backup"}


def test_the_instance_is_asked_for_with_an_ipv6_address_and_gets_one(ipv6_plan, run, endpoint):
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
    asked = instance.launch_request(ipv6_plan, run, group, 0)
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
    assert instance.ipv6_address(ipv6_plan, made) == made.ipv6_address
    assert instance.ipv6_address(load_plan(EXAMPLE), made) == ""


def test_a_subnet_without_ipv6_stops_the_launch(ipv6_plan):
    with pytest.raises(StepFailed, match="IPv6"):
        instance.ipv6_address(ipv6_plan, ipv6_instance(None))
