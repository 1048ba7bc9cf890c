"""The application's database asks for a password over TCP, ahead of every looser rule."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from fixtures.connect.database import Database
from fixtures.errors import NoGo
from fixtures.facts import roles
from fixtures.plan import Plan

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


@pytest.mark.passwords_required
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def check_first_rule_asks_for_a_password(address: str, target_db: Database, plan: Plan) -> None:
    """The first rule that applies to the application's roles over TCP names its database, and asks for a password."""
    rules = [Rule(*row) for row in target_db.rows(_RULES, dbname="postgres")]
    members = target_db.rows(_GROUPS, dbname="postgres")
    database, wrong = plan.database.name, []
    for role in (plan.database.role, *plan.database.other_roles):
        own_roles = {role, *(group for member, group in members if member == role)}
        for kind in ("hostnossl", "hostssl"):
            rule = first_match(rules, database, own_roles, role, address, kind)
            # A further role of which only an md5 hash is known may have a rule of its own that takes it.
            own = rule is not None and rule.users == [role] != [plan.database.role]
            methods = {plan.database.authentication} | ({"md5"} if own else set())
            if rule is None or rule.method not in methods or database not in rule.databases:
                wrong.append(f"{role}: line {rule.line}, {rule.method}" if rule else f"{role}: no rule")
    if wrong:
        raise NoGo(
            f"pg_hba.conf on the target, connections to {database} from {address}",
            expected=f"first a rule for {database} itself, with {plan.database.authentication}",
            found="; ".join(dict.fromkeys(wrong)),
            remedy=MEND,
        )


@pytest.mark.passwords_required
def check_rules_in_force_are_the_files(target_db: Database) -> None:
    """pg_hba.conf holds no wrong line, and the server has loaded it since it was last changed."""
    wrong = target_db.rows(
        "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL", dbname="postgres"
    )
    if wrong:
        raise NoGo(
            "pg_hba.conf on the target", expected="no wrong line", found=wrong, remedy="mend the line and reload"
        )
    stale = target_db.value(
        "SELECT (pg_stat_file(current_setting('hba_file'))).modification > pg_conf_load_time() + interval '1 s'",
        dbname="postgres",
    )
    if stale:
        raise NoGo(
            "pg_hba.conf on the target",
            expected="loaded since its last change",
            found="changed later",
            remedy="systemctl reload postgresql",
        )


@pytest.mark.passwords_required
def check_wrong_password_is_refused(target_db: Database, plan: Plan) -> None:
    """A wrong password is refused over TCP."""
    answer = target_db.password_login(plan.database.role, "not-the-password", plan.database.name)
    if answer not in {"28P01", "28000"}:
        raise NoGo(
            f"{plan.database.role} on the target, over TCP, with a wrong password",
            expected="refused",
            found="let in" if answer is None else answer,
            remedy=MEND,
        )


@pytest.mark.passwords_required
def check_passwords_are_stored_as_planned(target_db: Database, plan: Plan) -> None:
    """New passwords are stored in a form that the plan's method can use."""
    found = str(target_db.value("SHOW password_encryption", dbname="postgres"))
    wanted = plan.database.authentication
    if found != wanted:
        raise NoGo(
            "password_encryption on the target",
            expected=wanted,
            found=found,
            remedy=MEND,
        )


@pytest.mark.data_copied
@pytest.mark.final_data_copied
def check_stored_passwords_fit_their_rules(target_db: Database, plan: Plan) -> None:
    """Every role that came along can log in: its stored password is of a form that the rule for it takes."""
    rules = [Rule(*row) for row in target_db.rows(_RULES, dbname="postgres")]
    members = target_db.rows(_GROUPS, dbname="postgres")
    wrong = []
    for name, role in roles.read_roles(target_db, roles.names(plan)).items():
        if not role.attributes["LOGIN"] or role.password is None:
            continue
        own = {name, *(group for member, group in members if member == name)}
        for address in ("127.0.0.1", "::1"):
            rule = first_match(rules, plan.database.name, own, name, address, "hostnossl")
            if rule is None or not roles.may_log_in(role.password, rule.method):
                kind = role.password.partition("$")[0] if role.password.startswith("SCRAM") else "md5"
                wrong.append(f"{name}: {kind}, line {rule.line} asks for {rule.method}" if rule else f"{name}: no rule")
    if wrong:
        raise NoGo(
            "stored passwords on the target",
            expected="each of a form that its rule in pg_hba.conf takes",
            found="; ".join(dict.fromkeys(wrong)),
            remedy=f"{MEND}; a role that has only an md5 hash needs an md5 rule, or a new password",
        )
