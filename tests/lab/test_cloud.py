"""The imitation of Amazon, used as gonogo uses it: through boto3 and ssh, from the operator's machine."""

import contextlib
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError

from fixtures.lab.cloud.cloud import Cloud
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from tests.lab.clients import client

NET = LabNet("test-cloud", 94)
OPERATOR = NET.public(254)
USER = "admin"
QUICK = {"Delay": 1, "MaxAttempts": 90}


@pytest.fixture(scope="module")
def network(lab_tree):
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def cloud(network, place):
    cloud = Cloud(network, place / "state", image, resolver=NET.public(4))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def ec2(cloud):
    return client(cloud)


@pytest.fixture(scope="module")
def key(ec2, place):
    path = place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    ec2.import_key_pair(KeyName="key", PublicKeyMaterial=path.with_suffix(".pub").read_bytes())
    return path


@pytest.fixture(scope="module")
def group(cloud, ec2):
    made = ec2.create_security_group(GroupName="web", Description="web", VpcId=cloud.settings().vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[tcp(22, f"{OPERATOR}/32")])
    return made


def tcp(port, source):
    kind, name = ("UserIdGroupPairs", "GroupId") if source.startswith("sg-") else ("IpRanges", "CidrIp")
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, kind: [{name: source}]}


def launch(cloud, ec2, group, **more):
    settings = cloud.settings()
    given = {"ImageId": settings.image, "InstanceType": "m5.large", "KeyName": "key", "MinCount": 1, "MaxCount": 1}
    launched = ec2.run_instances(**{**given, "SubnetId": settings.subnet, "SecurityGroupIds": [group], **more})
    instance = launched["Instances"][0]
    assert instance["State"]["Name"] == "pending"
    return instance["InstanceId"]


def described(ec2, instance_id):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def wait(ec2, instance_id, state="running"):
    ec2.get_waiter(f"instance_{state}").wait(InstanceIds=[instance_id], WaiterConfig=QUICK)
    return described(ec2, instance_id)


def console_keys(ec2, instance_id):
    """The host keys as the console prints them, once cloud-init has come that far."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        text = ec2.get_console_output(InstanceId=instance_id).get("Output", "")
        found = re.search(r"-----BEGIN SSH HOST KEY KEYS-----\s+(.*?)-----END", text, re.DOTALL)
        if found:
            return [" ".join(line.split()[:2]) for line in found[1].splitlines() if line.strip()]
        time.sleep(0.2)
    raise AssertionError(f"no host keys on the console: {text[-500:]!r}")


class Login:
    """ssh to an address, with nothing trusted but the keys given."""

    def __init__(self, key, address, keys):
        self.address = address
        self.known = key.parent / f"known-{address}"
        self.known.write_text("".join(f"{address} {one}\n" for one in keys))
        self.options = ["-i", str(key), "-o", f"UserKnownHostsFile={self.known}"]
        self.options += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]

    def try_run(self, command):
        argv = ["ssh", *self.options, f"{USER}@{self.address}", command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def run(self, command):
        done = self.try_run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run_later(self, command, limit=90):
        """Try until it works: the host may be between two boots."""
        deadline = time.monotonic() + limit
        while (done := self.try_run(command)).returncode != 0:
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.3)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def instance(cloud, ec2, key, group):
    return launch(cloud, ec2, group, UserData="#!/bin/sh\necho from the plan > /root/user-data\n")


@pytest.fixture(scope="module")
def login(ec2, key, instance):
    return Login(key, wait(ec2, instance)["PublicIpAddress"], console_keys(ec2, instance))


@pytest.fixture
def second(cloud, ec2, key):
    """Another instance, in a group that lets the operator in."""
    name = f"other-{time.monotonic_ns()}"
    made = ec2.create_security_group(GroupName=name, Description="other", VpcId=cloud.settings().vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[tcp(22, f"{OPERATOR}/32")])
    launched = launch(cloud, ec2, made)
    yield Login(key, wait(ec2, launched)["PublicIpAddress"], console_keys(ec2, launched)), launched, made
    with contextlib.suppress(ClientError):
        ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")


def reach(address, port, limit=1.5):
    try:
        socket.create_connection((address, port), timeout=limit).close()
    except TimeoutError:
        return "time-out"
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return os.strerror(error.errno)
    return "open"


PYTHON = 'python3 -c "import socket; {}"'


def reach_from(login, address, port):
    """What a connection from inside the instance comes to."""
    code = f"socket.create_connection(('{address}', {port}), timeout=1.5)"
    error = login.try_run(PYTHON.format(code)).stderr
    return "time-out" if "timed out" in error else "refused" if "refused" in error else error or "open"


def fetch(login, path, **headers):
    """Status and text from the metadata service, asked from inside the instance."""
    words = ", ".join(f"'{name.replace('_', '-')}': '{value}'" for name, value in headers.items())
    method = "PUT" if "token" in path else "GET"
    code = (
        "import urllib.request as u, urllib.error as e\n"
        f"q = u.Request('http://169.254.169.254/{path}', headers={{{words}}}, method='{method}')\n"
        "try: r = u.urlopen(q, timeout=3); print(r.status, r.read().decode())\n"
        "except e.HTTPError as x: print(x.code)"
    )
    status, _, text = login.run(f"python3 - <<'END'\n{code}\nEND").partition(" ")
    return int(status), text


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_launch_to_login(cloud, ec2, key, group, record_property):
    began = time.monotonic()
    launched = launch(cloud, ec2, group)
    address = wait(ec2, launched)["PublicIpAddress"]
    record_property("seconds_to_running", time.monotonic() - began)
    login = Login(key, address, console_keys(ec2, launched))
    assert login.run("id -un") == USER
    record_property("seconds_to_login", time.monotonic() - began)
    ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")


def test_what_is_not_there_is_refused(cloud, ec2, key, group):
    given = {
        "ImageId": cloud.settings().image,
        "InstanceType": "m5.large",
        "KeyName": "key",
        "MinCount": 1,
        "MaxCount": 1,
    }
    given["SubnetId"] = cloud.settings().subnet
    assert code_of(ec2.run_instances, **{**given, "ImageId": "ami-12345678"}) == "InvalidAMIID.NotFound"
    assert code_of(ec2.run_instances, **{**given, "KeyName": "nobody"}) == "InvalidKeyPair.NotFound"
    assert code_of(ec2.run_instances, **{**given, "InstanceType": "m5.huge"}) == "InvalidInstanceType.NotFound"
    assert code_of(ec2.run_instances, **given, PrivateIpAddress=NET.private(1)) == "InvalidParameterValue"
    assert code_of(ec2.run_instances, **given, PrivateIpAddress="10.0.0.9") == "InvalidParameterValue"


def test_the_account_and_the_image(cloud):
    settings = cloud.settings()
    assert client(cloud, "sts").get_caller_identity()["Account"] == settings.account
    images = client(cloud).describe_images()["Images"]
    assert [(one["ImageId"], one["Name"]) for one in images] == [(settings.image, "debian-12-lab")]


def test_the_same_client_token_launches_once(cloud, ec2, group, instance):
    before = len(ec2.describe_instances()["Reservations"])
    first = launch(cloud, ec2, group, ClientToken="once")
    second = ec2.run_instances(
        ImageId=cloud.settings().image, KeyName="key", MinCount=1, MaxCount=1, ClientToken="once"
    )["Instances"][0]["InstanceId"]
    assert first == second
    assert len(ec2.describe_instances()["Reservations"]) == before + 1
    ec2.terminate_instances(InstanceIds=[first])
    wait(ec2, first, "terminated")


def test_cloud_init_runs_the_user_data(login):
    assert login.run("cloud-init status --wait >/dev/null; sudo cat /root/user-data") == "from the plan"
    assert login.run("systemctl is-system-running") == "running"


def test_metadata_with_and_without_a_token(ec2, instance, login):
    about = described(ec2, instance)
    assert fetch(login, "latest/meta-data/instance-id") == (200, instance)
    assert fetch(login, "2021-03-23/meta-data/local-ipv4") == (200, about["PrivateIpAddress"])
    assert fetch(login, "latest/meta-data/public-ipv4") == (200, about["PublicIpAddress"])
    assert fetch(login, "latest/meta-data/public-keys/") == (200, "0=key")
    assert fetch(login, "latest/meta-data/no-such-thing")[0] == 404
    ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required", HttpEndpoint="enabled")
    assert fetch(login, "latest/meta-data/instance-id")[0] == 401
    status, token = fetch(login, "latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=60)
    assert status == 200
    assert fetch(login, "latest/meta-data/instance-id", X_aws_ec2_metadata_token=token) == (200, instance)
    assert fetch(login, "latest/meta-data/instance-id", X_aws_ec2_metadata_token="made-up")[0] == 401


def test_a_group_is_in_force_when_the_call_returns(ec2, group, login):
    rule = {"GroupId": group, "IpPermissions": [tcp(8080, f"{OPERATOR}/32")]}
    assert reach(login.address, 8080) == "time-out"
    ec2.authorize_security_group_ingress(**rule)
    assert reach(login.address, 8080) == "refused"
    ec2.revoke_security_group_ingress(**rule)
    assert reach(login.address, 8080) == "time-out"
    rule["IpPermissions"] = [tcp(8080, "198.18.200.0/24")]
    ec2.authorize_security_group_ingress(**rule)
    assert reach(login.address, 8080) == "time-out"
    ec2.revoke_security_group_ingress(**rule)


def test_a_group_holds_for_ipv6(network, ec2, group, instance, login):
    link_local = login.run("ip -6 -o address show dev eth0 scope link").split()[3].partition("/")[0]

    def reach_from_router():
        code = f"import socket; socket.create_connection(('{link_local}%vpc', 8080), timeout=1.5)"
        with pytest.raises(subprocess.CalledProcessError) as caught:
            network.run_in("router", ["python3", "-c", code])
        return (
            "refused"
            if b"refused" in caught.value.stderr
            else "time-out"
            if b"timed out" in caught.value.stderr
            else ""
        )

    rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "Ipv6Ranges": [{"CidrIpv6": "fe80::/10"}]}
    assert reach_from_router() == "time-out"
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert reach_from_router() == "refused"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert code_of(ec2.delete_security_group, GroupId=group) == "DependencyViolation"


def test_an_instance_is_at_its_own_ipv6_address_as_its_groups_say(cloud, ec2, key, group):
    launched = launch(cloud, ec2, group, Ipv6AddressCount=1)
    about = wait(ec2, launched)
    address = about["NetworkInterfaces"][0]["Ipv6Addresses"][0]["Ipv6Address"]
    rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    assert reach(address, 8080) == "time-out"
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert reach(address, 8080) == "refused"
    login = Login(key, about["PublicIpAddress"], console_keys(ec2, launched))
    ec2.reboot_instances(InstanceIds=[launched])
    assert address in login.run_later("sleep 1; ip -6 -o address show dev eth0 scope global")
    # A group that was made in a network with IPv6 lets it out, as on Amazon.
    assert reach_from(login, NET.ipv6("internet", 254), 1) == "refused"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")


def test_a_group_names_another_group_and_limits_what_goes_out(ec2, group, instance, login, second):
    other, other_id, other_group = second
    private = described(ec2, instance)["PrivateIpAddress"]
    assert reach_from(other, private, 8080) == "time-out"
    rule = {"GroupId": group, "IpPermissions": [tcp(8080, other_group)]}
    ec2.authorize_security_group_ingress(**rule)
    assert reach_from(other, private, 8080) == "refused"
    assert reach(login.address, 8080) == "time-out"

    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=other_group, IpPermissions=everything)
    assert reach_from(other, private, 8080) == "time-out"
    assert fetch(other, "latest/meta-data/instance-id") == (200, other_id)
    ec2.authorize_security_group_egress(GroupId=other_group, IpPermissions=[tcp(8080, f"{private}/32")])
    assert reach_from(other, private, 8080) == "refused"

    ec2.revoke_security_group_ingress(**rule)
    ec2.modify_instance_attribute(InstanceId=other_id, Groups=[group])
    assert [one["GroupId"] for one in described(ec2, other_id)["SecurityGroups"]] == [group]
    assert reach_from(other, OPERATOR, 9) == "refused"


def test_a_volume_becomes_a_disk(cloud, ec2, instance, login, second):
    zone = cloud.settings().zone
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig=QUICK)
    assert login.run("sudo blockdev --getsize64 /dev/xvdf") == str(1024**3)
    login.run("sudo mkfs.ext4 -q -L data /dev/xvdf && sudo mount /dev/xvdf /mnt && echo kept | sudo tee /mnt/file")
    login.run("sudo umount /mnt")

    other, other_id, _ = second
    assert code_of(ec2.attach_volume, VolumeId=volume, InstanceId=other_id, Device="/dev/xvdf") == "VolumeInUse"
    ec2.detach_volume(VolumeId=volume)
    assert login.try_run("test -e /dev/xvdf").returncode == 1
    ec2.attach_volume(VolumeId=volume, InstanceId=other_id, Device="/dev/xvdf")
    assert other.run("sudo mount /dev/xvdf /mnt && cat /mnt/file") == "kept"
    assert code_of(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"

    # DeleteOnTermination is off for a volume that was attached by hand.
    other.run("sudo umount /mnt")
    ec2.terminate_instances(InstanceIds=[other_id])
    wait(ec2, other_id, "terminated")
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    file = cloud.reconciler.volumes.directory / f"{volume}.img"
    assert file.exists()
    ec2.delete_volume(VolumeId=volume)
    assert not file.exists()


def test_an_instance_store_outlasts_a_reboot_and_nothing_else(ec2, cloud, key, group):
    launched = launch(cloud, ec2, group, InstanceType="m5d.large")
    login = Login(key, wait(ec2, launched)["PublicIpAddress"], console_keys(ec2, launched))
    attached = [one["DeviceName"] for one in described(ec2, launched)["BlockDeviceMappings"]]
    assert "/dev/xvdb" not in attached
    assert login.run("sudo blockdev --getsize64 /dev/xvdb") == str(75 * 1000**3)
    login.run("sudo mkfs.ext4 -q /dev/xvdb && sudo mount /dev/xvdb /mnt && echo kept | sudo tee /mnt/file && sync")
    boot = login.run("cat /proc/sys/kernel/random/boot_id")
    ec2.reboot_instances(InstanceIds=[launched])
    deadline = time.monotonic() + 90
    while login.run_later("cat /proc/sys/kernel/random/boot_id") == boot:
        assert time.monotonic() < deadline
    assert login.run_later("sudo mount /dev/xvdb /mnt && cat /mnt/file") == "kept"

    ec2.stop_instances(InstanceIds=[launched])
    wait(ec2, launched, "stopped")
    ec2.start_instances(InstanceIds=[launched])
    login.address = wait(ec2, launched)["PublicIpAddress"]
    again = Login(key, login.address, console_keys(ec2, launched))
    assert again.run_later("sudo wipefs --no-act /dev/xvdb; echo blank") == "blank"
    ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")


def test_an_elastic_address_leads_in_and_out(ec2, key, instance, login):
    before = login.address
    address = ec2.allocate_address(Domain="vpc")
    public = address["PublicIp"]
    assert public == NET.public(100)
    assert reach(public, 22) != "open"
    association = ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])["AssociationId"]
    elastic = Login(key, public, console_keys(ec2, instance))
    assert elastic.run("hostname") == login_name(ec2, instance)
    assert described(ec2, instance)["PublicIpAddress"] == public
    assert reach(before, 22) != "open"

    with socket.create_server((OPERATOR, 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        elastic.run(PYTHON.format(f"socket.create_connection(('{OPERATOR}', {port}), timeout=5)"))
        assert server.accept()[1][0] == public

    # Through its own elastic address too, as a check on the target itself would.
    ec2.authorize_security_group_ingress(
        GroupId=described(ec2, instance)["SecurityGroups"][0]["GroupId"], IpPermissions=[tcp(22, f"{public}/32")]
    )
    assert reach_from(elastic, public, 22) == "open"

    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, instance, "stopped")
    assert reach(public, 22) != "open"
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, instance)
    assert elastic.run_later("hostname") == login_name(ec2, instance)

    ec2.disassociate_address(AssociationId=association)
    assert reach(public, 22) != "open"
    ec2.release_address(AllocationId=address["AllocationId"])
    assert ec2.describe_addresses()["Addresses"] == []
    login.address = described(ec2, instance)["PublicIpAddress"]
    assert login.address != public


def test_an_elastic_address_moves_from_one_instance_to_another(ec2, key, instance, login, second):
    other_id = second[1]
    address = ec2.allocate_address(Domain="vpc")
    public, allocation = address["PublicIp"], address["AllocationId"]
    ec2.associate_address(InstanceId=instance, AllocationId=allocation)
    assert code_of(ec2.associate_address, InstanceId=other_id, AllocationId=allocation) == "Resource.AlreadyAssociated"
    ec2.associate_address(InstanceId=other_id, AllocationId=allocation, AllowReassociation=True)
    moved = Login(key, public, console_keys(ec2, other_id))
    assert moved.run("hostname") == login_name(ec2, other_id)
    login.address = described(ec2, instance)["PublicIpAddress"]
    assert reach(login.address, 22) == "open"
    assert code_of(ec2.release_address, AllocationId=allocation) == "InvalidIPAddress.InUse"
    ec2.terminate_instances(InstanceIds=[other_id])
    wait(ec2, other_id, "terminated")
    assert not ec2.describe_addresses()["Addresses"][0].get("InstanceId")
    ec2.release_address(AllocationId=allocation)


def login_name(ec2, instance):
    return described(ec2, instance)["PrivateDnsName"].partition(".")[0]


def test_reboot_and_shutdown_from_inside(ec2, key, instance, second):
    other, other_id, _ = second
    boot = other.run("cat /proc/sys/kernel/random/boot_id")
    ec2.reboot_instances(InstanceIds=[other_id])
    deadline = time.monotonic() + 90
    while other.run_later("cat /proc/sys/kernel/random/boot_id") == boot:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    other.try_run("sudo systemctl poweroff")
    wait(ec2, other_id, "stopped")
    assert code_of(ec2.reboot_instances, InstanceIds=[other_id]) == "IncorrectInstanceState"


def test_an_image_of_an_instance_boots(cloud, ec2, key, second):
    other, other_id, group = second
    other.run("echo baked | sudo tee /srv/file")
    made = ec2.create_image(InstanceId=other_id, Name="baked")["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICK)
    assert other.run_later("cat /srv/file") == "baked"
    launched = launch(cloud, ec2, group, ImageId=made)
    address = wait(ec2, launched)["PublicIpAddress"]
    keys = console_keys(ec2, launched)
    assert not set(keys) & set(console_keys(ec2, other_id))
    assert Login(key, address, keys).run("cat /srv/file") == "baked"
    ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")
    ec2.deregister_image(ImageId=made)


def test_an_instance_that_cannot_boot_is_terminated(cloud, ec2, group, second, network, place):
    made = ec2.create_image(InstanceId=second[1], Name="lost", NoReboot=True)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICK)
    (place / "state/images" / made).rename(place / "lost")
    before = (network.namespaces, mounts(place))
    launched = launch(cloud, ec2, group, ImageId=made)
    with pytest.raises(WaiterError):
        wait(ec2, launched)
    assert described(ec2, launched)["StateReason"]["Code"] == "Server.InternalError"
    assert (network.namespaces, mounts(place)) == before


def test_terminate_leaves_nothing(cloud, ec2, group, network, place):
    before = (network.namespaces, mounts(place), loops(place))
    mapping = {"DeviceName": "/dev/xvdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}
    launched = launch(cloud, ec2, group, BlockDeviceMappings=[mapping])
    volumes = [one["Ebs"]["VolumeId"] for one in wait(ec2, launched)["BlockDeviceMappings"]]
    assert len(volumes) == 2
    assert launched in network.namespaces
    ec2.terminate_instances(InstanceIds=[launched])
    wait(ec2, launched, "terminated")
    assert (network.namespaces, mounts(place), loops(place)) == before
    assert not (place / "state/instances" / launched).exists()
    assert not [path for path in (place / "state/volumes").iterdir() if path.stem in volumes]
    assert not [one for one in ec2.describe_volumes()["Volumes"] if one["VolumeId"] in volumes]
    assert code_of(ec2.start_instances, InstanceIds=[launched]) == "IncorrectInstanceState"


def mounts(place):
    return sorted(line for line in Path("/proc/self/mounts").read_text().splitlines() if str(place) in line)


def loops(place):
    """Loop devices over files below a place: other labs of this machine have their own."""
    shown = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, check=True, text=True).stdout
    return [line for line in shown.splitlines() if str(place) in line]


def test_a_saved_cloud_comes_back_with_the_same_ids(network, place, cloud, ec2, key, instance, login):
    """Last in this file: it ends the cloud of the other tests."""
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": cloud.settings().region})
    s3.put_object(Bucket="backups", Key="dump", Body=b"payslips")
    client(cloud, "route53").create_hosted_zone(Name="smallpayroll.test", CallerReference="1")
    volume = ec2.create_volume(AvailabilityZone=cloud.settings().zone, Size=1)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/xvdf")
    login.run("sudo mkfs.ext4 -q /dev/xvdf && sudo mount /dev/xvdf /mnt && echo kept | sudo tee /mnt/file /srv/file")
    login.run("sudo umount /mnt")
    before, public = described(ec2, instance), ec2.allocate_address(Domain="vpc")
    ec2.associate_address(InstanceId=instance, AllocationId=public["AllocationId"])
    settings = cloud.settings()
    cloud.save(place / "books")
    cloud.stop()
    subprocess.run(["cp", "-a", "--sparse=always", place / "state", place / "copy"], check=True)

    again = Cloud(network, place / "copy", image, resolver=NET.public(4))
    again.load(place / "books")
    again.start()
    try:
        assert again.settings() == settings
        after = described(client(again), instance)
        for same in ("InstanceId", "PrivateIpAddress", "ImageId", "LaunchTime", "KeyName", "SecurityGroups"):
            assert after[same] == before[same]
        assert after["PublicIpAddress"] == public["PublicIp"]
        restored = Login(
            key, public["PublicIp"], [line.split(" ", 1)[1] for line in login.known.read_text().splitlines()]
        )
        assert restored.run("sudo mount /dev/xvdf /mnt && cat /mnt/file /srv/file") == "kept\nkept"
        assert client(again, "s3").get_object(Bucket="backups", Key="dump")["Body"].read() == b"payslips"
        assert client(again, "route53").list_hosted_zones()["HostedZones"][0]["Name"] == "smallpayroll.test."
        one_more = client(again).run_instances(
            ImageId=settings.image,
            InstanceType="m5.large",
            KeyName="key",
            MinCount=1,
            MaxCount=1,
            SubnetId=settings.subnet,
        )["Instances"][0]
        assert one_more["PrivateIpAddress"] != after["PrivateIpAddress"]
        assert one_more["PrivateIpAddress"] not in {NET.private(number) for number in range(4)}
        wait(client(again), one_more["InstanceId"])
    finally:
        again.stop()
