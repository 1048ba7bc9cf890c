"""PostgreSQL's password rules, and the move of its data directory."""

from steps.build import postgresql
from tests.unit.example import PLAN


def test_the_password_rules_are_the_databases_own():
    assert postgresql.hba_lines(PLAN, []) == [
        'host "payroll_prod" all 127.0.0.1/32 scram-sha-256',
        'host "payroll_prod" all ::1/128 scram-sha-256',
    ]


def test_the_move_names_link_data_mount_and_tool():
    first = postgresql.move_script(PLAN).splitlines()[0]
    assert first == (
        "set -- /var/lib/postgresql/15/main /mnt/postgresql/15/main /mnt /usr/lib/postgresql/15/bin/pg_controldata"
    )
    assert postgresql.waits_for(PLAN.data_on_mount) == "[Unit]\nRequiresMountsFor=/mnt/postgresql/15/main\n"


def plan_with(**changes):
    return PLAN.model_copy(update={"database": PLAN.database.model_copy(update=changes)})


def test_a_role_with_an_md5_hash_alone_has_a_rule_of_its_own():
    assert postgresql.hba_lines(PLAN, ["reporting"]) == [
        'host "payroll_prod" "reporting" 127.0.0.1/32 md5',
        'host "payroll_prod" "reporting" ::1/128 md5',
        'host "payroll_prod" all 127.0.0.1/32 scram-sha-256',
        'host "payroll_prod" all ::1/128 scram-sha-256',
    ]
    assert postgresql.hba_lines(plan_with(authentication="md5"), ["reporting"]) == [
        'host "payroll_prod" all 127.0.0.1/32 md5',
        'host "payroll_prod" all ::1/128 md5',
    ]


def test_an_application_without_a_password_comes_by_peer_and_others_with_theirs():
    plan = plan_with(authentication="peer", password=None, name='pay"roll', role="www data")
    assert postgresql.hba_lines(plan, ["reporting"]) == [
        'local "pay""roll" "www data" peer',
        'host "pay""roll" "reporting" 127.0.0.1/32 md5',
        'host "pay""roll" "reporting" ::1/128 md5',
        'host "pay""roll" all 127.0.0.1/32 scram-sha-256',
        'host "pay""roll" all ::1/128 scram-sha-256',
    ]
