"""The image we launch from and the one we make: what is asked of EC2, what is put aside, and what the checks see."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks import check_accounts, check_ami, check_image
from fixtures.errors import NoGo
from fixtures.facts.images import owned_as_planned, read_image
from fixtures.plan import load_plan
from fixtures.run.evidence import Occasion, Verdict, now
from fixtures.run.journal import GateJudged, StepFinished
from fixtures.run.records import AmiFacts, Image, ScratchBoot, TargetFacts
from fixtures.run.run import Run
from steps.keep import image, scratch, sealing
from steps.provision import instance

PLAN = load_plan(Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml")
FACTS = TargetFacts(
    instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="eipalloc-1",
    volume_id="vol-1", security_group_id="sg-1", host_keys=["ssh-ed25519 AAAA"],
)  # fmt: skip
DESCRIBED = {
    "ImageId": "ami-1", "Name": "debian-12", "OwnerId": "136693071363", "ImageOwnerAlias": "amazon", "State": "available",
    "Architecture": "x86_64", "RootDeviceType": "ebs", "RootDeviceName": "/dev/xvda", "CreationDate": "2026-01-01",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1"}},
                            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}],
    "DeprecationTime": "2028-01-01T00:00:00.000Z", "Tags": [{"Key": "gonogo:plan", "Value": "smallpayroll"}],
}  # fmt: skip
AMI = read_image(DESCRIBED)
BOOT = ScratchBoot(
    instance_id="i-2", states=list(scratch.BUILD), verdict=Verdict.GO, checks=74, failed=[], leftovers=[], seconds=1
)
MADE = Image(image_id="ami-2", name="web-1", instance_id="i-1", made=now(), secrets=True, scratch=BOOT)


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "20260101T000000Z-smallpayroll")
    (run.directory / "records").mkdir(parents=True)
    run.record(FACTS)
    run.record(MADE)
    return run


# --- what is asked of the cloud -----------------------------------------------------------------------------------------


def test_an_image_is_taken_without_a_reboot_and_without_the_data_volume(run):
    asked = image.create_request(PLAN, run, "i-1", "web-1")
    assert (asked["InstanceId"], asked["Name"], asked["NoReboot"]) == ("i-1", "web-1", True)
    assert asked["BlockDeviceMappings"] == [{"DeviceName": "/dev/xvdf", "NoDevice": ""}]
    assert [spec["ResourceType"] for spec in asked["TagSpecifications"]] == ["image", "snapshot"]
    for spec in asked["TagSpecifications"]:
        assert {tag["Key"]: tag["Value"] for tag in spec["Tags"]} == {
            "Name": PLAN.image.name, "gonogo:plan": PLAN.name, "gonogo:run": run.name,
        }  # fmt: skip


def test_a_scratch_instance_has_no_profile_no_volume_and_keeps_host_keys_it_finds():
    asked = scratch.launch_request(PLAN, "ami-2", "sg-2")
    assert "IamInstanceProfile" not in asked
    assert "BlockDeviceMappings" not in asked
    assert asked["UserData"] == "#cloud-config\nssh_deletekeys: false\n"
    assert (asked["ImageId"], asked["KeyName"]) == ("ami-2", "smallpayroll-web-scratch")
    (nic,) = asked["NetworkInterfaces"]
    assert (nic["Groups"], nic["AssociatePublicIpAddress"]) == (["sg-2"], True)
    tags = {tag["Key"]: tag["Value"] for tag in asked["TagSpecifications"][0]["Tags"]}
    assert tags["Name"] != PLAN.target.name  # or it would be taken for the target
    assert tags[scratch.SCRATCH_TAG] == PLAN.name


def test_the_target_is_launched_with_the_profile(run):
    assert instance.launch_request(PLAN, run, "sg-1", 0)["IamInstanceProfile"] == {"Name": "smallpayroll-backup"}


# --- sealing ------------------------------------------------------------------------------------------------------------


def test_the_target_takes_everything_back_by_itself():
    words = sealing.arm_command(300)
    assert words[:3] == ["systemd-run", "--unit=gonogo-unseal", "--on-active=300"]
    assert words[-2:] == ["bash", "/run/gonogo-sealed/unseal.sh"]


def test_without_secrets_the_settings_and_tls_keys_are_put_aside_too():
    assert image.secrets(PLAN) == []
    bare = PLAN.model_copy(update={"image": PLAN.image.model_copy(update={"keep_secrets": False})})
    assert image.secrets(bare) == ["/etc/smallpayroll.env", "/etc/ssl/smallpayroll/privkey.pem"]


@pytest.fixture
def sealed_root(tmp_path):
    """A directory in the root's place, what is packed of it, and the scripts that hide and take back."""
    root, held, lock = tmp_path / "root", tmp_path / "held", tmp_path / "lock"
    (root / "home/.ssh").mkdir(parents=True)
    (root / "home/.ssh/authorized_keys").write_text("key")
    (root / "home/.ssh/authorized_keys").chmod(0o600)
    (root / "key").write_text("host key")
    here = str(root).lstrip("/")
    pack = sealing._PACK.replace("/etc/ssh/ssh_host_*", f"/{here}/key").replace(
        "getent passwd", f"echo a:b:c:d:e:/{here}/home"
    )
    subprocess.run(["bash", "-c", pack, "pack", str(held), ".ssh .aws", "/nothing/there"], check=True)
    script = sealing.unseal_script(["true.service"]).replace(sealing.HELD, str(held))
    script = script.replace(sealing.LOCK, str(lock)).replace("systemctl start", "true")
    return root, held, ["bash", "-c", sealing._HIDE, "hide", str(held), str(lock)], ["bash", "-c", script]


def test_what_is_packed_hidden_and_unpacked_is_what_was_there(sealed_root):
    root, held, hide, unseal = sealed_root
    subprocess.run(hide, check=True)
    assert not (root / "key").exists()
    assert not (root / "home/.ssh").exists()
    for _ in range(2):
        subprocess.run(unseal, check=True)
    assert (root / "key").read_text() == "host key"
    assert (root / "home/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert not (held / "held.tar").exists()


def test_what_was_taken_back_already_is_never_hidden(sealed_root):
    # Stopping the units took so long that the target's own timer came first: nothing could give the keys back again.
    root, _, hide, unseal = sealed_root
    subprocess.run(unseal, check=True)
    done = subprocess.run(hide, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "taken its keys back" in done.stderr
    assert (root / "key").read_text() == "host key"
    assert (root / "home/.ssh/authorized_keys").read_text() == "key"


# --- the checks, red ----------------------------------------------------------------------------------------------------


def test_owner():
    owners = {"amazon": "amazon", "136693071363": "136693071363"}
    for owner in owners:
        plan = PLAN.model_copy(update={"target": PLAN.target.model_copy(update={"image_owner": owner})})
        assert owned_as_planned(AMI, plan)
        assert not owned_as_planned(replace(AMI, owner="999999999999", owner_alias=""), plan)
    own = PLAN.model_copy(update={"target": PLAN.target.model_copy(update={"image_owner": "self"})})
    assert not owned_as_planned(AMI, own)
    with pytest.raises(NoGo, match="the owner of ami-1"):
        check_ami.check_owner_is_the_planned_one(AMI, own)


@pytest.mark.parametrize("change", [{"state": "pending"}, {"deprecated": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_image_that_should_not_be_launched(change):
    check_ami.check_image_can_be_launched(AMI)
    with pytest.raises(NoGo, match="available, not deprecated"):
        check_ami.check_image_can_be_launched(replace(AMI, **change))


def test_further_disks_and_instance_store_root():
    check_ami.check_image_brings_no_further_disk(AMI)
    check_ami.check_root_is_on_ebs(AMI)
    with pytest.raises(NoGo, match="/dev/sdc"):
        check_ami.check_image_brings_no_further_disk(replace(AMI, disks=("/dev/xvda", "/dev/sdc")))
    with pytest.raises(NoGo, match="instance-store"):
        check_ami.check_root_is_on_ebs(replace(AMI, root_type="instance-store"))


def test_another_image_than_the_inspected_one(run):
    known = AmiFacts(
        image_id="ami-1", name="", owner="136693071363", owner_alias="amazon", state="available", architecture="x86_64",
        root_device="/dev/xvda", disks=[], created="2026-01-01", deprecated=None,
    )  # fmt: skip
    run.record(known)
    check_ami.check_inspection_was_of_this_image(AMI, run)
    with pytest.raises(NoGo, match="the inspected image"):
        check_ami.check_inspection_was_of_this_image(replace(AMI, created="2026-02-02"), run)


def test_strangers_keys():
    ours = {"AAAAours"}
    listed = "/home/admin/.ssh/authorized_keys\tssh-ed25519 AAAAours me\n/root/.ssh/authorized_keys\t# a comment\n"
    assert check_accounts.strangers(listed, ours) == []
    refused = '/root/.ssh/authorized_keys\tno-pty,command="echo no" ssh-ed25519 AAAAours me\n'
    assert check_accounts.strangers(refused, ours) == []
    foreign = "/root/.ssh/authorized_keys2\tssh-rsa AAAAforeign vendor\n/x\tgibberish\n"
    assert check_accounts.strangers(listed + foreign, ours) == ["/root/.ssh/authorized_keys2", "/x"]


def test_image_with_data_disk_or_foreign_tags_or_gone(run):
    good = replace(AMI, tags={"gonogo:plan": PLAN.name, "gonogo:run": run.name})
    check_image.check_image_is_available(good, run)
    check_image.check_image_is_tagged(good, PLAN, run)
    check_image.check_image_has_no_data_disk(good, PLAN, run)
    with pytest.raises(NoGo, match="absent"):
        check_image.check_image_is_available(None, run)
    with pytest.raises(NoGo, match="the tags of"):
        check_image.check_image_is_tagged(AMI, PLAN, run)
    with pytest.raises(NoGo, match="/dev/xvdf"):
        check_image.check_image_has_no_data_disk(replace(AMI, disks=("/dev/xvda", "/dev/xvdf")), PLAN, run)


def test_image_too_old_or_of_another_instance(run):
    check_image.check_image_is_recent(PLAN, run)
    check_image.check_image_is_of_this_target(run)
    run.record(MADE.model_copy(update={"made": now() - timedelta(days=8), "instance_id": "i-9"}))
    with pytest.raises(NoGo, match=r"8\.0 days"):
        check_image.check_image_is_recent(PLAN, run)
    with pytest.raises(NoGo, match="i-9"):
        check_image.check_image_is_of_this_target(run)


def judged(state):
    return GateJudged(number=1, states=[state], occasion=Occasion.AFTER, verdict=Verdict.GO)


def test_image_older_than_a_build_step(run):
    run.journal(judged("application_running"))
    run.journal(StepFinished(step="start_application"))
    check_image.check_image_is_of_the_finished_target(run)
    run.journal(judged("gems_installed"))
    run.journal(StepFinished(step="install_gems"))
    with pytest.raises(NoGo, match="finished later: install_gems"):
        check_image.check_image_is_of_the_finished_target(run)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (None, check_image.check_instance_of_the_image_is_as_built),
        ({"verdict": Verdict.NO_GO, "failed": ["a gem"]}, check_image.check_instance_of_the_image_is_as_built),
        ({"checks": 0}, check_image.check_instance_of_the_image_is_as_built),
        (None, check_image.check_image_holds_no_keys),
        ({"leftovers": ["a private key in /root/.ssh/id_rsa"]}, check_image.check_image_holds_no_keys),
    ],
)
def test_image_that_was_not_tried_or_failed(run, change, check):
    check(run)
    run.record(MADE.model_copy(update={"scratch": BOOT.model_copy(update=change) if change is not None else None}))
    with pytest.raises(NoGo, match="scratch instance of ami-2"):
        check(run)


def test_what_is_looked_for_on_a_scratch_instance():
    words = scratch.inspect_command(PLAN, MADE, "AAAAkey")
    assert words[4:10] == ["AAAAkey", "/mnt", "i-1", "/var/lib/gonogo/quarantine", "gonogo_quarantine", "yes"]
    assert words[10:] == [
        "/etc/smallpayroll.env", "/etc/ssl/smallpayroll/privkey.pem", "--",
        "smallpayroll-worker.service", "--", "/etc/cron.d/smallpayroll", "--",
    ]  # fmt: skip
    assert json.dumps(words)
