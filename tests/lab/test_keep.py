"""What must be there before the cutover, on a real host: an image of one moment, keys put aside and taken back, and S3."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from fixtures.lab.cloud.cloud import PROFILE, Cloud
from fixtures.lab.cloud.storage import Storage
from fixtures.lab.hosts import cgroups
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.places import S3
from steps.keep import sealing
from tests.lab.clients import client

NET = LabNet("test-keep", 97)
QUICK = {"Delay": 1, "MaxAttempts": 120}
KEYS = "ls /etc/ssh/ssh_host_* /home/admin/.ssh/authorized_keys /var/lib/cloud/instance 2>/dev/null | wc -l"
# The two versions of the metadata service's word, and one request to S3 under the key that is given.
_PUT = """
import sys, urllib.request
key, address = sys.argv[1:]
request = urllib.request.Request(f"http://{address}/lab-bucket/one", data=b"backup", method="PUT")
request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={key}/20260101/eu-central-1/s3/aws4_request, Signature=x")
request.add_header("Content-Type", "application/octet-stream")
try:
    print(urllib.request.urlopen(request, timeout=20).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
_ROLE = """
import urllib.request
base = "http://169.254.169.254/latest"
ask = urllib.request.Request(f"{base}/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
token = {"X-aws-ec2-metadata-token": urllib.request.urlopen(ask).read().decode()}
read = lambda path: urllib.request.urlopen(urllib.request.Request(f"{base}/meta-data/iam/{path}", headers=token)).read().decode()
role = read("security-credentials/")
print(role, read(f"security-credentials/{role}"))
"""


@pytest.fixture(scope="module")
def cloud(lab_tree, tmp_path_factory):
    network = Network(NET)
    network.create()
    cloud = Cloud(network, tmp_path_factory.mktemp("cloud") / "state", image, resolver=NET.public(4))
    cloud.start()
    storage = Storage(network, cloud.address)
    storage.start()
    yield cloud
    storage.stop()
    cloud.stop()
    network.destroy()
    cgroups.remove_lab(NET.name)


@pytest.fixture(scope="module")
def ec2(cloud):
    return client(cloud)


@pytest.fixture(scope="module")
def instance(cloud, ec2):
    settings = cloud.settings()
    disk = {"DeviceName": "/dev/xvdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}
    launched = ec2.run_instances(
        ImageId=settings.image, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=settings.subnet,
        BlockDeviceMappings=[disk], IamInstanceProfile={"Name": PROFILE}, MetadataOptions={"HttpTokens": "required"},
    )["Instances"][0]["InstanceId"]  # fmt: skip
    ec2.get_waiter("instance_running").wait(InstanceIds=[launched], WaiterConfig=QUICK)
    host = cloud.reconciler.hosts[launched]
    host.run(["cloud-init", "status", "--wait"], check=False)
    host.run(["sh", "-c", "install -d -m 700 -o admin /home/admin/.ssh; echo key >/home/admin/.ssh/authorized_keys"])
    unit = b"[Service]\nExecStart=/bin/sleep infinity\n"
    host.run(["sh", "-c", "cat >/etc/systemd/system/resting.service; systemctl start resting.service"], unit)
    return launched


class Target:
    """As much of a `Host` as sealing asks for, from inside."""

    def __init__(self, host):
        self.host = host

    def check(self, argv, timeout=60):
        return self.host.run(argv, timeout=timeout).stdout.decode()

    def succeeds(self, argv):
        return self.host.run(argv, check=False).returncode == 0

    def write_file(self, path, content, mode):
        self.host.run(["sh", "-c", 'cat >"$1"; chmod "$2" "$1"', "write", path, mode], content.encode())


@pytest.fixture
def target(cloud, instance):
    target = Target(cloud.reconciler.hosts[instance])
    yield target
    sealing.unseal(target)


def present(target):
    return int(target.check(["sh", "-c", KEYS]))


def test_keys_are_put_aside_and_taken_back(target):
    before = target.check(
        ["sh", "-c", "sha256sum /etc/ssh/ssh_host_*; stat -c '%A %U %n' /etc/ssh/ssh_host_* /home/admin/.ssh"]
    )
    there = present(target)
    assert there > 4
    sealing.seal(target, ["resting.service"], [])
    assert sealing.is_sealed(target)
    assert present(target) == 0
    assert not target.succeeds(["systemctl", "is-active", "--quiet", "resting.service"])
    sealing.unseal(target)
    assert target.succeeds(["systemctl", "is-active", "--quiet", "resting.service"])
    assert present(target) == there
    assert (
        target.check(
            ["sh", "-c", "sha256sum /etc/ssh/ssh_host_*; stat -c '%A %U %n' /etc/ssh/ssh_host_* /home/admin/.ssh"]
        )
        == before
    )
    assert not target.succeeds(["test", "-e", sealing.HELD])
    assert not target.succeeds(["systemctl", "is-active", "--quiet", f"{sealing.UNIT}.timer"])


def test_a_target_that_is_left_alone_takes_its_keys_back(target, monkeypatch):
    there = present(target)
    monkeypatch.setattr(sealing, "SECONDS", 3)
    sealing.seal(target, ["resting.service"], [])
    assert present(target) == 0
    deadline = time.monotonic() + 30
    while present(target) != there:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert not sealing.is_sealed(target)


def test_an_image_is_of_its_moment_and_holds_no_key(cloud, ec2, instance, target):
    sealing.seal(target, ["resting.service"], [])
    target.check(["touch", "/srv/before"])
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": "test"}]} for kind in ("image", "snapshot")]
    left_out = [{"DeviceName": "/dev/xvdf", "NoDevice": ""}]
    made = ec2.create_image(
        InstanceId=instance, Name="moment", NoReboot=True, TagSpecifications=tags, BlockDeviceMappings=left_out
    )["ImageId"]
    sealing.unseal(target)
    target.check(["sh", "-c", "rm /srv/before; touch /srv/after"])
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICK)
    layer = cloud.reconciler.directory / "images" / made
    assert (layer / "srv/before").exists()
    assert not (layer / "srv/after").exists()
    # What was removed is a whiteout, and what was the host's own is not there at all.
    kept = [path for path in (layer / "etc/ssh").glob("ssh_host_*") if path.is_file()]
    assert kept == []
    assert not [path for path in (layer / "home/admin").rglob("authorized_keys") if path.is_file()]
    described = ec2.describe_images(ImageIds=[made])["Images"][0]
    assert [disk["DeviceName"] for disk in described["BlockDeviceMappings"]] == ["/dev/xvda"]
    snapshot = ec2.describe_snapshots(SnapshotIds=[described["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]])[
        "Snapshots"
    ][0]
    assert snapshot["Tags"] == [{"Key": "of", "Value": "test"}]
    assert made in snapshot["Description"]
    ec2.deregister_image(ImageId=made)
    cloud.reconciler.wait()
    assert not layer.exists()


def test_an_image_brings_the_data_disk_unless_it_is_left_out(ec2, instance):
    made = ec2.create_image(InstanceId=instance, Name="with-disk", NoReboot=True)["ImageId"]
    described = ec2.describe_images(ImageIds=[made])["Images"][0]
    assert [disk["DeviceName"] for disk in described["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdf"]
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICK)
    ec2.deregister_image(ImageId=made)


def test_s3_lets_in_who_has_the_instances_credentials(cloud, target):
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="lab-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    role, _, credentials = target.check(["python3", "-c", _ROLE]).partition(" ")
    assert role == PROFILE
    key = json.loads(credentials)["AccessKeyId"]
    assert target.check(["python3", "-c", _PUT, "AKIASOMEBODY", NET.public(S3)]).strip() == "403"
    with pytest.raises(ClientError):
        s3.head_object(Bucket="lab-bucket", Key="one")
    assert target.check(["python3", "-c", _PUT, key, NET.public(S3)]).strip() == "200"
    assert s3.get_object(Bucket="lab-bucket", Key="one")["Body"].read() == b"backup"


def test_the_books_keep_buckets_and_profile(cloud, tmp_path):
    cloud.save(tmp_path / "books")
    assert (tmp_path / "books").stat().st_size > 0
