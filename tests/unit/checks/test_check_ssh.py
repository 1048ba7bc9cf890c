"""Whose host key it is, and whether the target's clock is right, each seen red."""

import pytest

from checks import check_ssh
from fixtures.errors import NoGo
from fixtures.run.records import TargetFacts

KEY, OTHER = "ssh-ed25519 AAAAC3one", "ssh-ed25519 AAAAC3other"


@pytest.fixture(autouse=True)
def _launched(run):
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e", volume_id="v",
            security_group_id="sg-1", host_keys=[KEY],
        )
    )  # fmt: skip


@pytest.mark.parametrize("console", [[KEY], [OTHER, KEY], []])
def test_a_console_that_shows_the_key_or_has_forgotten_it(run, console):
    check_ssh.check_host_key_is_the_consoles(run, [KEY], console)


@pytest.mark.parametrize(
    ("own", "console", "found"),
    [([KEY], [OTHER], "on the console no, on the host yes"), ([OTHER], [KEY], "on the console yes, on the host no")],
)
def test_a_key_that_another_one_shows(run, own, console, found):
    with pytest.raises(NoGo, match=found):
        check_ssh.check_host_key_is_the_consoles(run, own, console)


def test_a_clock_that_is_wrong():
    check_ssh.check_clock_is_right(4.9)
    with pytest.raises(NoGo, match=r"5\.0 s apart"):
        check_ssh.check_clock_is_right(5.0)
