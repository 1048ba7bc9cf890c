"""Strangers' keys on the target."""

import pytest
from paramiko import PKey

from checks import check_accounts
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.accounts import read_authorized_keys
from fixtures.facts.here import key_of_target
from steps.provision.key_pair import write_new_key
from tests.unit.example import PLAN


def test_a_strangers_key_is_found_and_ours_is_not(tmp_path):
    path = tmp_path / "ours.pem"
    write_new_key(path)
    target = PLAN.target.model_copy(update={"key_file": path})
    plan = PLAN.model_copy(update={"target": target})
    key = key_of_target(plan).put(plan)
    ours = f"/home/admin/.ssh/authorized_keys\tssh-ed25519 {PKey.from_path(path).get_base64()} me\n"
    check_accounts.check_no_stranger_is_let_in(plan, key, read_authorized_keys(ours))
    nowhere = plan.model_copy(update={"target": target.model_copy(update={"key_file": tmp_path / "gone"})})
    gone = key_of_target(nowhere).put(plan)
    with pytest.raises(CouldNotVerify, match="FileNotFoundError"):
        check_accounts.check_no_stranger_is_let_in(plan, gone, read_authorized_keys(ours))
    foreign = "/root/.ssh/authorized_keys2\tssh-rsa AAAAforeign vendor\n/x\tgibberish\n"
    with pytest.raises(NoGo, match=r"others in /root/\.ssh/authorized_keys2, /x"):
        check_accounts.check_no_stranger_is_let_in(plan, key, read_authorized_keys(ours + foreign))
