"""The variants of a lab: each one's plan is a plan, and says what is special about it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.errors import GonogoError
from fixtures.lab import planfile, variants
from fixtures.lab.hosts import recipes
from fixtures.lab.hosts.network import LabNet
from fixtures.plan import Plan, load_plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm0SMfqI3Y8tWbJ7mO7Yy9yDk0rM3l4o5V9xW1QnE2t"


@pytest.fixture
def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tarball = {"name": "ruby.tar.gz", "sha256": "a" * 64, "prefix": "/opt/ree"}
    monkeypatch.setattr(planfile, "_tarball", lambda: tarball)  # the real one is built in an image
    net = LabNet("lab", 7)
    cloud = SimpleNamespace(
        endpoint="http://127.0.0.1:18507", account="1" * 12, region="eu-central-1", image="ami-1", subnet="subnet-1"
    )
    dns = SimpleNamespace(
        zone="smallpayroll.test", servers=(net.public(2), net.public(3)), resolver=net.public(4),
        tsig_name="key", tsig_algorithm="hmac-sha256", tsig_secret="c2VjcmV0",
    )  # fmt: skip

    def make(variant: variants.Variant) -> Plan:
        host_keys = {"production": KEY, "bastion": KEY}
        return load_plan(planfile.write_plan(tmp_path, net, cloud, dns, host_keys, variant))

    return make


def test_the_first_variant(plan_of):
    plan = plan_of(variants.FIRST)
    assert plan.web.scheme == "https"
    assert plan.target.volume.kind == "ebs"
    assert plan.database.authentication == "scram-sha-256"
    assert plan.source.sudo_password is None
    assert (plan.ruby.tarball, plan.redis, plan.source.jump, plan.deviation) == (None, None, None, [])


def test_the_second_variant(plan_of, tmp_path: Path):
    plan = plan_of(variants.SECOND)
    assert plan.web.scheme == "http"
    assert (plan.target.volume.kind, plan.target.volume.device) == ("instance-store", "/dev/xvdb")
    assert (plan.database.authentication, plan.postgresql.version) == ("md5", 17)
    assert plan.source.sudo_password is not None
    assert plan.source.sudo_password.reveal()
    assert plan.source.jump is not None
    assert plan.source.jump.address == "198.18.7.11"
    assert plan.redis is not None
    assert plan.redis.mode == "copied"
    assert plan.ruby.tarball is not None
    assert plan.ruby.tarball.installer == ["./installer", "--auto=/opt/ree"]
    assert [item.key for item in plan.deviation] == ["postgresql.version"]
    assert (tmp_path / "secrets/sudo").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("variant", variants.VARIANTS.values(), ids=str)
def test_every_image_of_a_variant_has_its_recipe(variant: variants.Variant):
    assert {variant.production, variant.ami} <= set(recipes.RECIPES)
    assert variant.ami in recipes.SUPPLIES


def test_another_variant_is_refused():
    with pytest.raises(GonogoError, match="one of first, second"):
        variants.variant("third")


def test_a_lab_keeps_its_variant(tmp_path: Path):
    assert variants.kept(tmp_path) is variants.FIRST
    (tmp_path / variants.FILE).write_text("second")
    assert variants.kept(tmp_path) is variants.SECOND
