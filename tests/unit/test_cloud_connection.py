"""The plan's account, our instance, and the host keys on a console."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.connect.cloud import PLAN_TAG, Cloud, parse_console_host_keys
from fixtures.errors import CouldNotVerify, GonogoError, Refused
from fixtures.secrets import Secret
from tests.unit.loopback import free_port

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7="
BLOCK = "-----BEGIN SSH HOST KEY KEYS-----\n{}\n-----END SSH HOST KEY KEYS-----\n"


def test_host_keys_of_a_console():
    console = (
        "[    0.0] Linux version\n-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 SHA256:x root@host (ED25519)\n"
        "-----END SSH HOST KEY FINGERPRINTS-----\n" + BLOCK.format(f"{ECDSA} root@host\n{ED25519} root@host") + "login:"
    )
    assert parse_console_host_keys(console) == [ECDSA, ED25519]


def test_colours_line_ends_and_prefixes_of_a_real_console():
    console = BLOCK.format(f"\x1b[0;32m[   12.3] cloud-init[301]: {ED25519} root@host\x1b[0m").replace("\n", "\r\n")
    assert parse_console_host_keys(console) == [ED25519]


def test_the_last_boot_counts():
    assert parse_console_host_keys(BLOCK.format(ECDSA) + "reboot\n" + BLOCK.format(ED25519)) == [ED25519]


def test_half_a_block_counts_for_nothing():
    half = BLOCK.format(ED25519).partition("-----END")[0]
    assert parse_console_host_keys(half) == []
    assert parse_console_host_keys(BLOCK.format(ECDSA) + half) == [ECDSA]
    assert parse_console_host_keys("-----END SSH HOST KEY KEYS-----") == []
    assert parse_console_host_keys("") == []


@given(before=st.text(max_size=80), after=st.text(max_size=80))
def test_whatever_stands_around_it(before, after):
    assert parse_console_host_keys(before + "\n" + BLOCK.format(ED25519) + after) == [ED25519]


def cloud(endpoint, **changes):
    target = {
        "account": "123456789012",
        "region": "eu-central-1",
        "endpoint": endpoint,
        "access_key": None,
        "secret_key": None,
        "name": "payroll",
    }
    return Cloud(SimpleNamespace(name="move", target=SimpleNamespace(**{**target, **changes})))


def test_the_plans_account_passes(endpoint, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the operator's own")
    one = cloud(endpoint)
    one.verify_account()
    assert one.session.get_credentials().access_key == "testing"


def test_another_account_is_refused(endpoint):
    with pytest.raises(Refused) as caught:
        cloud(endpoint, account="999999999999").verify_account()
    assert "999999999999" in caught.value.expected
    assert "123456789012" in caught.value.found


def test_the_plans_credentials_are_used(endpoint, monkeypatch):
    monkeypatch.setenv("KEY", "AKIAPLAN")
    monkeypatch.setenv("SECRET", "plan's")
    one = cloud(endpoint, access_key=Secret(env="KEY"), secret_key=Secret(env="SECRET"))
    assert one.session.get_credentials().access_key == "AKIAPLAN"


def test_an_absent_cloud_and_absent_credentials(monkeypatch, tmp_path):
    with pytest.raises(CouldNotVerify, match="endpoint"):
        cloud(f"http://127.0.0.1:{free_port()}").verify_account()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CouldNotVerify, match="AWS_PROFILE"):
        cloud(None).verify_account()


def test_our_instance_is_found_by_both_tags(endpoint):
    one = cloud(endpoint)
    image = one.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def launch(name, plan):
        tags = [{"Key": "Name", "Value": name}, {"Key": PLAN_TAG, "Value": plan}]
        spec = [{"ResourceType": "instance", "Tags": tags}]
        started = one.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=spec)
        return started["Instances"][0]["InstanceId"]

    launch("payroll", "another move")
    launch("another", "move")
    assert one.instance() is None
    first = launch("payroll", "move")
    found = one.instance()
    assert found.id == first
    assert (found.state, found.image, found.tags["Name"]) == ("running", image, "payroll")
    assert found.private_address
    assert found.volumes
    second = launch("payroll", "move")
    with pytest.raises(Refused) as caught:
        one.instance()
    assert first in caught.value.found
    assert second in caught.value.found
    one.ec2.terminate_instances(InstanceIds=[first])
    assert one.instance().id == second


def test_a_console_of_no_instance(endpoint):
    with pytest.raises(GonogoError, match="InvalidInstanceID"):
        cloud(endpoint).console_host_keys("i-0123456789abcdef0")
