"""The scratch instance that tries an image: how it is launched, and what is looked for on it."""

import json

from steps.keep import scratch
from tests.unit.example import PLAN
from tests.unit.images import MADE
from tests.unit.steps.target import SURVEY


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


def test_what_is_looked_for_on_a_scratch_instance(run):
    run.record(SURVEY.model_copy(update={"secret_files": ["/etc/smallpayroll.env", "/etc/app/settings.php"]}))
    words = scratch.inspect_command(PLAN, run, MADE, "AAAAkey")
    assert words[4:10] == ["AAAAkey", "/mnt", "i-1", "/var/lib/gonogo/quarantine", "gonogo_quarantine", "yes"]
    assert words[10:] == [
        "/etc/smallpayroll.env", "/etc/app/settings.php", "/etc/ssl/smallpayroll/privkey.pem", "--",
        "smallpayroll-worker.service", "--", "/etc/cron.d/smallpayroll", "--",
    ]  # fmt: skip
    assert json.dumps(words)
