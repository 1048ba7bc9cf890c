"""The commands of the copies, to the letter."""

import shlex
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from fixtures.errors import Refused
from fixtures.plan import Plan
from steps.tools import copying
from tests.unit.answers import Answers

SSH = copying.ssh_command("/run/gonogo/keys/r/p", "admin", "198.51.100.20")


def test_the_key_can_do_one_thing_from_one_address() -> None:
    line = copying.authorized_line("ssh-ed25519 AAAA gonogo\n", ["198.51.100.10"], ["sh", "-c", 'echo "$HOME"'])
    assert line == ('restrict,from="198.51.100.10",command="sh -c \'echo \\"$HOME\\"\'" ssh-ed25519 AAAA gonogo')


def test_ssh_knows_one_host_key_and_asks_nothing() -> None:
    assert SSH[:4] == ["ssh", "-F", "/dev/null", "-T"]
    assert SSH[-1] == "admin@198.51.100.20"
    for option in (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
    ):
        assert option in SSH
    assert "UserKnownHostsFile=/run/gonogo/keys/r/p/known_hosts" in SSH


def test_known_hosts_names_the_target_alone() -> None:
    assert copying.known_hosts("198.51.100.20", ["ssh-ed25519 A", "ecdsa B"]) == (
        "198.51.100.20 ssh-ed25519 A\n198.51.100.20 ecdsa B\n"
    )


def test_copies_come_only_from_where_the_plan_says(plan: Plan) -> None:
    assert copying.copying_addresses(plan) == ["198.51.100.10"]
    without = plan.model_copy(update={"target": plan.target.model_copy(update={"copying": []})})
    with pytest.raises(Refused, match=r"target\.copying"):
        copying.copying_addresses(without)


def test_rsync_keeps_owners_by_name_and_deletes_nothing_unasked() -> None:
    command = copying.rsync_command(SSH, "/srv/files/")
    assert command[:2] == ["rsync", "-aHAXS"]
    assert command[command.index("--rsh") + 1] == shlex.join(SSH[:-1])
    assert command[-3:] == ["--", "/srv/files/", "admin@198.51.100.20:/"]
    assert not [part for part in command if "delete" in part or "numeric" in part]


def test_rsync_deletes_up_to_a_bound() -> None:
    command = copying.rsync_command(SSH, "/srv/files", delete=True, max_delete=7)
    assert "--delete-delay" in command
    assert "--max-delete=7" in command
    dry = copying.rsync_command(SSH, "/srv/files", delete=True, max_delete=7, dry_run=True)
    assert "--dry-run" in dry
    assert "--max-delete=7" not in dry


def test_the_dry_run_tells_what_would_go() -> None:
    printed = ">f+++++++++ new\n*deleting   old one\n.d..t...... ./\n*deleting   b/\n"
    assert copying.deletions(printed) == ["old one", "b/"]


def test_the_server_is_confined_to_one_directory() -> None:
    assert copying.rsync_server("/srv/my files") == [
        "sh", "-c", 'exec sudo -n env SSH_ORIGINAL_COMMAND="$SSH_ORIGINAL_COMMAND" rrsync -wo \'/srv/my files\'',
    ]  # fmt: skip


LISTED = '{"filesystems": [{"target": "/", "source": "a"}, {"target": "/srv", "source": "b", "options": "nofail"}]}'


@pytest.mark.parametrize(
    ("there", "mounted", "first", "found"),
    [
        (True, True, "/srv/files/a", ""),
        (False, True, "", "no such directory"),
        (True, False, "", "/srv is not mounted"),
        (True, True, "", "an empty directory"),
    ],
)
def test_a_directory_that_would_empty_the_targets_is_refused(there, mounted, first, found) -> None:
    host = SimpleNamespace(
        name="source",
        shell=Answers(LISTED).shell,
        succeeds=lambda argv: mounted and argv == ["mountpoint", "-q", "/srv"],
        file=lambda _: SimpleNamespace(is_directory=there),
        check=lambda _: first,
    )
    with pytest.raises(Refused, match=found) if found else nullcontext():
        copying.refuse_empty(host, "/srv/files")
