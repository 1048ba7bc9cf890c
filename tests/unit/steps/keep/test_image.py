"""The image of the target: how it is asked for, and what is put aside before."""

from steps.keep import image
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY


def test_an_image_is_taken_without_a_reboot_and_without_the_data_volume(run):
    asked = image.create_request(PLAN, run, "i-1", "web-1")
    assert (asked["InstanceId"], asked["Name"], asked["NoReboot"]) == ("i-1", "web-1", True)
    assert asked["BlockDeviceMappings"] == [{"DeviceName": "/dev/xvdf", "NoDevice": ""}]
    assert [spec["ResourceType"] for spec in asked["TagSpecifications"]] == ["image", "snapshot"]
    for spec in asked["TagSpecifications"]:
        assert {tag["Key"]: tag["Value"] for tag in spec["Tags"]} == {
            "Name": PLAN.image.name, "gonogo:plan": PLAN.name, "gonogo:run": run.name,
        }  # fmt: skip


def test_without_secrets_the_settings_and_tls_keys_are_put_aside_too(run):
    run.record(SURVEY.model_copy(update={"secret_files": ["/etc/smallpayroll.env", "/etc/app/settings.php"]}))
    assert image.secrets(PLAN, run) == []
    bare = PLAN.model_copy(update={"image": PLAN.image.model_copy(update={"keep_secrets": False})})
    assert image.secrets(bare, run) == [
        "/etc/smallpayroll.env",
        "/etc/app/settings.php",
        "/etc/ssl/smallpayroll/privkey.pem",
    ]
