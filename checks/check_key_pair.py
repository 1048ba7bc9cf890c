"""The key pair that logs in to the target."""

import pytest

from checks.equality import must_equal
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.here import KeyFile, key_of_target
from fixtures.facts.instance import public_keys
from fixtures.facts.wanted import here, in_cloud
from fixtures.plan import Plan

pytestmark = pytest.mark.key_pair_present


def check_private_key_is_ours_alone(plan: Plan, key: KeyFile = here(key_of_target)) -> None:
    """The private key's file can be read and written by its owner alone."""
    path = plan.resolve(plan.target.key_file)
    must_equal(
        f"the private key {plan.target.key_file}",
        expected="-rw-------",
        found=key.mode or "no such file",
        remedy=f"chmod 600 {path}" if key.mode else "run `gonogo run --until key_pair_present`",
    )


def check_cloud_has_its_public_half(
    plan: Plan, key: KeyFile = here(key_of_target), found: list[str] = in_cloud(public_keys)
) -> None:
    """The cloud's key pair is the public half of the private key that lies here."""
    if key.wrong:
        raise CouldNotVerify(
            f"the private key {plan.target.key_file}",
            expected="a private key",
            found=key.wrong,
            remedy="run `gonogo run --until key_pair_present`",
        )
    if found != [key.public]:
        raise NoGo(
            f"the key pair {plan.target.key_name} in {plan.target.region}",
            expected="the public half of the private key that lies here",
            found="another key" if found else "no key pair of that name",
            remedy="name another key pair in target.key_name, or run `gonogo run --until key_pair_present`",
        )
