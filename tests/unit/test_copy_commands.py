"""The commands of the copies, to the letter; and what they are compared by."""

import shlex
from pathlib import Path

import pytest

from checks.check_roles import told_settings
from fixtures.errors import Refused
from fixtures.facts.roles import Role, Setting, alter, apply_setting, differing
from fixtures.plan import Plan, load_plan
from fixtures.sameness.differences import differences
from steps.rehearse import data
from steps.rehearse.files import mount_points
from steps.tools import copying
from steps.tools.grants import grants_anew

ROOT = Path(__file__).resolve().parents[2]
SSH = copying.ssh_command("/run/gonogo/keys/r/p", "admin", "198.51.100.20")


@pytest.fixture
def plan() -> Plan:
    return load_plan(ROOT / "docs" / "plan.example.toml")


def shown(composed: object) -> str:
    text = "".join(_part(part) for part in getattr(composed, "_wrapped", [composed]))
    return " ".join(text.split())


def _part(part: object) -> str:
    kind = type(part).__name__
    if kind == "Composed":
        return shown(part)
    if kind == "Identifier":
        return ".".join(f'"{name}"' for name in part.strings)
    if kind == "Literal":
        return repr(part.wrapped)
    return part.string


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


def test_leftover_markers_are_found() -> None:
    text = "ssh-rsa A me\n# BEGIN gonogo copy r1 copy_database\nx\n# END gonogo copy r1 copy_database\n# BEGIN gonogo other\n"
    assert copying.temporary_markers(text) == ["copy r1 copy_database"]


def test_the_dump_goes_straight_into_ssh_and_a_broken_pipe_is_a_failure(plan: Plan) -> None:
    script = data.dump_script(plan, "00000003-0000001B-1", SSH)
    assert script.startswith("set -o pipefail\n")
    assert "pg_dump --port=5432 --snapshot=00000003-0000001B-1 --format=custom" in script
    assert script.rstrip().endswith(f"payroll_prod | {shlex.join(SSH)}")
    assert ">" not in script


def test_the_restore_is_one_transaction(plan: Plan) -> None:
    assert data.restore_command(plan) == [
        "sh", "-c",
        "cd / && exec sudo -n -u postgres -- pg_restore --exit-on-error --single-transaction --port=5432"
        " --dbname=payroll_prod",
    ]  # fmt: skip


def test_grants_of_the_database_replace_the_default_ones() -> None:
    assert grants_anew("DATABASE", "d", "o", []) == []
    grants = [("", "CONNECT", False), ("r", "TEMPORARY", True)]
    told = [shown(s) for s in grants_anew("DATABASE", "d", "o", grants)]
    assert told == [
        'REVOKE ALL ON DATABASE "d" FROM PUBLIC',
        'REVOKE ALL ON DATABASE "d" FROM "o"',
        'GRANT CONNECT ON DATABASE "d" TO PUBLIC',
        'GRANT TEMPORARY ON DATABASE "d" TO "r" WITH GRANT OPTION',
    ]


def _role(**changes: object) -> Role:
    facts: dict[str, object] = {
        "name": "payroll", "attributes": {"SUPERUSER": False, "LOGIN": True}, "connection_limit": -1,
        "valid_until": None, "password": "SCRAM-SHA-256$x", "groups": ("readers", "owners with admin"),
    }  # fmt: skip
    return Role(**(facts | changes))  # type: ignore[arg-type]


def test_a_role_is_made_with_everything_of_its_own() -> None:
    assert [shown(s) for s in alter(_role())] == [
        "ALTER ROLE \"payroll\" WITH NOSUPERUSER LOGIN CONNECTION LIMIT -1 PASSWORD 'SCRAM-SHA-256$x'",
        'GRANT "readers" TO "payroll"',
        'GRANT "owners" TO "payroll" WITH ADMIN OPTION',
    ]


def test_options_of_a_membership_are_granted() -> None:
    role = _role(groups=("a with admin without inherit without set", "b with inherit", "c with admin"))
    assert [shown(s) for s in alter(role)[1:]] == [
        'GRANT "a" TO "payroll" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE',
        'GRANT "b" TO "payroll" WITH INHERIT TRUE',
        'GRANT "c" TO "payroll" WITH ADMIN OPTION',
    ]


def test_a_comment_of_a_role_is_carried_and_compared() -> None:
    said = _role(comment="it's ours", groups=())
    assert shown(alter(said)[-1]) == 'COMMENT ON ROLE "payroll" IS "it\'s ours"'
    assert differing(said, _role(groups=())) == ['comment None instead of "it\'s ours"']


def test_a_role_never_shows_its_password() -> None:
    assert "SCRAM" not in repr(_role())
    assert differing(_role(), _role(password="SCRAM-SHA-256$y")) == ["another password"]


def test_differences_of_roles_are_named() -> None:
    assert differing(_role(), None) == ["absent"]
    assert differing(_role(), _role()) == []
    assert differing(_role(), _role(attributes={"SUPERUSER": True, "LOGIN": True})) == ["SUPERUSER is True"]


def test_settings_that_are_lists_are_not_quoted_as_one() -> None:
    setting = Setting("r", "d", (("search_path", '"$user", public'), ("work_mem", "8MB")))
    assert [shown(s) for s in apply_setting(setting)] == [
        'ALTER ROLE "r" IN DATABASE "d" RESET ALL',
        'ALTER ROLE "r" IN DATABASE "d" SET "search_path" TO "$user", public',
        'ALTER ROLE "r" IN DATABASE "d" SET "work_mem" TO \'8MB\'',
    ]


def test_settings_of_all_roles_are_made() -> None:
    assert (
        shown(apply_setting(Setting("", "", (("work_mem", "8MB"),)))[1]) == "ALTER ROLE ALL SET \"work_mem\" TO '8MB'"
    )


def test_what_may_be_a_secret_of_the_application_is_compared_and_not_shown() -> None:
    one, same, other = (
        told_settings([Setting("", "d", (("work_mem", "8MB"), ("app.key", value)))]) for value in ("x", "x", "geheim")
    )
    assert one == same
    words = differences(one, other)
    assert words.startswith("app.key of all roles in d: (hidden) ")
    assert "geheim" not in words
    assert "work_mem" not in words


def test_differences_are_named_a_few_at_most() -> None:
    assert differences({"a": 1}, {"a": 1}) == ""
    assert differences({"a": 1}, {"a": 2}) == "a: 2 instead of 1"
    many = {f"n{i}": i for i in range(6)}
    assert differences(many, {}).endswith("and 2 more")


def test_uploads_may_lie_on_a_mount_of_their_own() -> None:
    fstab = (
        "# /dev/a /srv ext4 defaults 0 2\nUUID=1 / ext4 defaults 0 1\nUUID=2 /srv ext4 defaults 0 2\n"
        "UUID=3 /srv/files ext4 nofail 0 2\nUUID=4 /srv/file ext4 defaults 0 2\nUUID=5 /srv/files/x ext4 noauto 0 2\n"
    )
    assert mount_points(fstab, "/srv/files") == ["/srv", "/srv/files"]
    assert mount_points(fstab, "/srv/files/x") == ["/srv", "/srv/files"]
