"""What differs from plan to plan: the instance store, md5 beside SCRAM, a later server than production's."""

import pytest
from psycopg2.extensions import encrypt_password

from checks.check_schema import is_later
from fixtures.errors import Refused, StepFailed
from fixtures.facts import roles
from fixtures.sameness import catalog
from steps.build import postgresql, volume
from steps.provision import instance
from tests.unit.test_build_commands import FACTS, PLAN, Target, cloud_with
from tests.unit.test_build_commands import run as run_fixture

run = run_fixture

STORE = PLAN.target.volume.model_copy(update={"kind": "instance-store", "size_gib": 69})
NO_VOLUME = FACTS.model_copy(update={"volume_id": ""})
GIB = 1024**3

PASSWORD = "open sesame"
# The password is "pencil", as in the example of RFC 7677; computed from it with its own salt.
SCRAM_OF_PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def plan_with(**changes):
    return PLAN.model_copy(update={"database": PLAN.database.model_copy(update=changes)})


# --- the instance store --------------------------------------------------------------------------------------------


def test_an_instance_store_asks_for_no_volume(run):
    target = PLAN.target.model_copy(update={"volume": STORE})
    asked = instance.launch_request(PLAN.model_copy(update={"target": target}), run, "sg-1", 0)
    assert asked["BlockDeviceMappings"] == []


def test_an_instance_store_is_found_by_its_model_or_by_the_plans_name(run):
    for found, device in (("/dev/nvme1n1\n", "/dev/nvme1n1"), ("/dev/nvme1n1\n/dev/xvdf\n", "/dev/xvdf")):
        assert volume._store(Target([found, ""]), STORE, NO_VOLUME, cloud_with()) == device
    with pytest.raises(StepFailed, match="instance type"):
        volume._store(Target([""]), STORE, NO_VOLUME, cloud_with())


@pytest.mark.parametrize(
    ("said", "volumes", "complaint"),
    [
        ("it holds the root file system\n", {}, "root file system"),
        ("it has partitions\nanother device is built on it\n", {}, "partitions; another"),
        ("", {"/dev/sdf": "vol-1"}, "EBS volume"),
        ("", {"/dev/xvdf": "vol-1"}, "EBS volume"),
    ],
)
def test_a_disk_that_is_something_else_is_no_instance_store(run, said, volumes, complaint):
    with pytest.raises(Refused, match=complaint):
        volume._store(Target(["/dev/xvdf\n", said]), STORE, NO_VOLUME, cloud_with(volumes=volumes))


def test_an_instance_stores_size_is_no_whole_number_of_gib():
    assert volume.right_size(STORE, 75 * 10**9)
    assert not volume.right_size(STORE, 8 * GIB)
    assert volume.right_size(PLAN.target.volume, 100 * GIB)
    assert not volume.right_size(PLAN.target.volume, 100 * GIB - 512)


# --- md5 and SCRAM -------------------------------------------------------------------------------------------------


def test_a_hash_is_opened_by_its_own_password_alone():
    md5 = encrypt_password(PASSWORD, "payroll", algorithm="md5")
    for stored, kind in ((md5, "md5"), (SCRAM_OF_PENCIL, "SCRAM")):
        right = PASSWORD if kind == "md5" else "pencil"
        assert roles.opens(stored, "payroll", right)
        assert not roles.opens(stored, "payroll", "other")
    assert not roles.opens(md5, "reporting", PASSWORD)
    for stored in (None, "", "plain", "SCRAM-SHA-256$x", "SCRAM-SHA-256$4096:!!$a:b"):
        assert not roles.opens(stored, "payroll", PASSWORD)


def test_which_hash_may_log_in_under_which_rule():
    assert roles.may_log_in("md5aa", "md5")
    assert roles.may_log_in(SCRAM_OF_PENCIL, "md5")
    assert roles.may_log_in(SCRAM_OF_PENCIL, "scram-sha-256")
    assert not roles.may_log_in("md5aa", "scram-sha-256")
    assert not roles.may_log_in(None, "md5")


def test_only_the_applications_own_hash_is_made_anew():
    scram, md5 = plan_with(authentication="scram-sha-256"), plan_with(authentication="md5")
    assert roles.made_anew(scram, "payroll", "md5aa")
    assert not roles.made_anew(scram, "reporting", "md5aa")
    assert not roles.made_anew(scram, "payroll", SCRAM_OF_PENCIL)
    assert not roles.made_anew(md5, "payroll", "md5aa")
    assert not roles.made_anew(md5, "payroll", SCRAM_OF_PENCIL)


def test_a_role_with_an_md5_hash_alone_has_a_rule_of_its_own():
    assert postgresql.hba_lines(PLAN, ["reporting"]) == [
        "host payroll_prod reporting 127.0.0.1/32 md5",
        "host payroll_prod reporting ::1/128 md5",
        "host payroll_prod all 127.0.0.1/32 scram-sha-256",
        "host payroll_prod all ::1/128 scram-sha-256",
    ]
    assert postgresql.hba_lines(plan_with(authentication="md5"), ["reporting"]) == [
        "host payroll_prod all 127.0.0.1/32 md5",
        "host payroll_prod all ::1/128 md5",
    ]


# --- a later server ------------------------------------------------------------------------------------------------


def test_the_privilege_of_later_servers_is_left_out():
    later = {
        "relation a.m": "m m=arwdDxtm/m map=rm/m",
        "relation b": "o =m/o g=a*r*w*d*D*x*t*m*/o o=arwdDxtm/o",
        "schema c": "(default)",
    }
    assert catalog.without_maintain(later) == {
        "relation a.m": "m m=arwdDxt/m map=r/m",
        "relation b": "o =/o g=a*r*w*d*D*x*t*/o o=arwdDxt/o",
        "schema c": "(default)",
    }


@pytest.mark.parametrize(
    ("version", "than", "later"),
    [("1.7", "1.6", True), ("1.10", "1.9", True), ("1.6", "1.6", False), ("1.5", "1.6", False), ("x", "1.6", False)],
)
def test_a_later_extension(version, than, later):
    assert is_later(version, than) is later
