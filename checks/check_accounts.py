"""Nobody but us can log in to the target."""

import pytest

from checks.equality import must_be_none
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.accounts import AUTHORIZED_KEYS, WITH_PASSWORD, AuthorizedKey
from fixtures.facts.here import KeyFile, key_of_target
from fixtures.facts.wanted import here, on_target
from fixtures.plan import Plan

pytestmark = pytest.mark.ssh_ready


def check_no_other_account_has_a_password(plan: Plan, accounts: list[str] = on_target(WITH_PASSWORD)) -> None:
    """No account beside the image's own user has a password, or lets people in without one."""
    found = [name for name in accounts if name != plan.target.user]
    must_be_none(
        "accounts with a password on the target",
        found=found,
        remedy="find out who made them; lock them (passwd -l), or choose another target.image",
    )


def check_no_stranger_is_let_in(
    plan: Plan, ours: KeyFile = here(key_of_target), lines: list[AuthorizedKey] = on_target(AUTHORIZED_KEYS)
) -> None:
    """Every authorized key on the target, whoever's home it lies in, is ours."""
    path = plan.resolve(plan.target.key_file)
    if ours.wrong:
        raise CouldNotVerify(
            f"the private key {path}",
            expected="a private key that can be read",
            found=ours.wrong,
            remedy="correct target.key_file in the plan",
        )
    found = sorted({line.file for line in lines if line.key != ours.public})
    if found:
        raise NoGo(
            "authorized keys on the target",
            expected=f"those of {path.name} alone",
            found=f"others in {', '.join(found)}",
            remedy="find out whose they are and remove them, or choose another target.image",
        )
