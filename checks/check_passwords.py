"""The application's database asks for a password over TCP, ahead of every looser rule."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from fixtures.database import Database
from fixtures.plan import Plan
from fixtures.verdict import problem

pytestmark = pytest.mark.passwords_required

MEND = "run `gonogo run --until passwords_required`; it puts the password rule at the top of pg_hba.conf and reloads"

_RULES = """
SELECT line_number, type, database, user_name, coalesce(address, ''), coalesce(netmask, ''), auth_method
FROM pg_hba_file_rules WHERE error IS NULL ORDER BY line_number
"""
_GROUPS = """
SELECT r.rolname, g.rolname FROM pg_roles r JOIN pg_roles g ON pg_has_role(r.oid, g.oid, 'member') WHERE NOT r.rolsuper
"""


class Rule(NamedTuple):
    """A line of pg_hba.conf, as the server reads it."""

    line: int
    type: str
    databases: list[str]
    users: list[str]
    address: str
    netmask: str
    method: str


def first_match(
    rules: Iterable[Rule], database: str, roles: set[str], role: str, address: str, kind: str
) -> Rule | None:
    """The rule that decides: `kind` is "hostssl" or "hostnossl", `roles` are all that `role` is a member of."""
    for rule in rules:
        if (
            rule.type in {"host", kind}
            and any(_is_database(word, database, roles, role) for word in rule.databases)
            and any(word in {"all", role} or (word[:1] == "+" and word[1:] in roles) for word in rule.users)
            and _holds(rule, address)
        ):
            return rule
    return None


def _is_database(word: str, database: str, roles: set[str], role: str) -> bool:
    own = {"sameuser": database == role, "samerole": database in roles, "samegroup": database in roles}
    return own.get(word, word in {"all", database})


def _holds(rule: Rule, address: str) -> bool:
    try:
        network = ip_network(f"{rule.address}/{_length(rule.netmask)}", strict=False)
    except ValueError:
        return True  # "all", "samehost", a name: said to match, so that a looser rule is never passed over
    return ip_address(address) in network


def _length(netmask: str) -> int:
    mask = ip_address(netmask)
    return f"{int(mask):b}".count("1")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def check_first_rule_asks_for_a_password(address: str, target_db: Database, plan: Plan) -> None:
    """The first rule that applies to the application's roles over TCP names its database, and asks for a password."""
    rules = [Rule(*row) for row in target_db.rows(_RULES, dbname="postgres")]
    members = target_db.rows(_GROUPS, dbname="postgres")
    database, wrong = plan.database.name, []
    for role in (plan.database.role, *plan.database.other_roles):
        roles = {role, *(group for member, group in members if member == role)}
        for kind in ("hostnossl", "hostssl"):
            rule = first_match(rules, database, roles, role, address, kind)
            if rule is None or rule.method != plan.database.authentication or database not in rule.databases:
                wrong.append(f"{role}: line {rule.line}, {rule.method}" if rule else f"{role}: no rule")
    assert not wrong, problem(
        f"pg_hba.conf on the target, connections to {database} from {address}",
        expected=f"first a rule for {database} itself, with {plan.database.authentication}",
        found="; ".join(dict.fromkeys(wrong)),
        remedy=MEND,
    )


def check_rules_in_force_are_the_files(target_db: Database) -> None:
    """pg_hba.conf holds no wrong line, and the server has loaded it since it was last changed."""
    wrong = target_db.rows(
        "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL", dbname="postgres"
    )
    assert not wrong, problem(
        "pg_hba.conf on the target", expected="no wrong line", found=wrong, remedy="mend the line and reload"
    )
    stale = target_db.value(
        "SELECT (pg_stat_file(current_setting('hba_file'))).modification > pg_conf_load_time() + interval '1 s'",
        dbname="postgres",
    )
    assert not stale, problem(
        "pg_hba.conf on the target",
        expected="loaded since its last change",
        found="changed later",
        remedy="systemctl reload postgresql",
    )


def check_wrong_password_is_refused(target_db: Database, plan: Plan) -> None:
    """A wrong password is refused over TCP."""
    answer = target_db.password_login(plan.database.role, "not-the-password", plan.database.name)
    assert answer in {"28P01", "28000"}, problem(
        f"{plan.database.role} on the target, over TCP, with a wrong password",
        expected="refused",
        found="let in" if answer is None else answer,
        remedy=MEND,
    )


def check_passwords_are_stored_as_planned(target_db: Database, plan: Plan) -> None:
    """New passwords are stored in a form that the plan's method can use."""
    found = str(target_db.value("SHOW password_encryption", dbname="postgres"))
    fits = {"scram-sha-256": {"scram-sha-256"}, "md5": {"md5", "scram-sha-256", "on"}}[plan.database.authentication]
    assert found in fits, problem(
        "password_encryption on the target",
        expected=" or ".join(sorted(fits)),
        found=found,
        remedy="set it in postgresql.conf",
    )
