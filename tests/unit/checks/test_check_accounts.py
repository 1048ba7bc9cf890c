"""Strangers' keys on the target."""

from checks import check_accounts


def test_strangers_keys():
    ours = {"AAAAours"}
    listed = "/home/admin/.ssh/authorized_keys\tssh-ed25519 AAAAours me\n/root/.ssh/authorized_keys\t# a comment\n"
    assert check_accounts.strangers(listed, ours) == []
    refused = '/root/.ssh/authorized_keys\tno-pty,command="echo no" ssh-ed25519 AAAAours me\n'
    assert check_accounts.strangers(refused, ours) == []
    foreign = "/root/.ssh/authorized_keys2\tssh-rsa AAAAforeign vendor\n/x\tgibberish\n"
    assert check_accounts.strangers(listed + foreign, ours) == ["/root/.ssh/authorized_keys2", "/x"]
