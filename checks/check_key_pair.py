"""The key pair that logs in to the target."""

import stat

import pytest
from paramiko import PKey
from paramiko.ssh_exception import SSHException

from checks.equality import must_equal
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.instance import public_keys
from fixtures.facts.wanted import in_cloud
from fixtures.plan import Plan

pytestmark = pytest.mark.key_pair_present


def check_private_key_is_ours_alone(plan: Plan) -> None:
    """The private key's file can be read and written by its owner alone."""
    path = plan.resolve(plan.target.key_file)
    found = stat.filemode(path.stat().st_mode) if path.exists() else "no such file"
    must_equal(
        f"the private key {plan.target.key_file}",
        expected="-rw-------",
        found=found,
        remedy=f"chmod 600 {path}" if path.exists() else "run `gonogo run --until key_pair_present`",
    )


def check_cloud_has_its_public_half(plan: Plan, found: list[str] = in_cloud(public_keys)) -> None:
    """The cloud's key pair is the public half of the private key that lies here."""
    path = plan.resolve(plan.target.key_file)
    try:
        here = PKey.from_path(path).get_base64()
    except (OSError, SSHException, ValueError) as error:
        raise CouldNotVerify(
            f"the private key {plan.target.key_file}",
            expected="a private key",
            found=type(error).__name__,
            remedy="run `gonogo run --until key_pair_present`",
        ) from None
    if found != [here]:
        raise NoGo(
            f"the key pair {plan.target.key_name} in {plan.target.region}",
            expected="the public half of the private key that lies here",
            found="another key" if found else "no key pair of that name",
            remedy="name another key pair in target.key_name, or run `gonogo run --until key_pair_present`",
        )
