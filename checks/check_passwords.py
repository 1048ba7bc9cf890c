"""The application's database asks for a password over TCP, ahead of every looser rule."""

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.errors import NoGo
from fixtures.facts import server
from fixtures.facts.logins import as_a_stranger
from fixtures.facts.roles import MEMBERS, RULES, STALE, WRONG_LINES, roles_named
from fixtures.facts.wanted import in_target_db
from fixtures.plan import Plan
from fixtures.policy.hba import HbaRule, first_match
from fixtures.policy.roles import Role, may_log_in, names

MEND = "run `gonogo run --until passwords_required`; it puts the password rule at the top of pg_hba.conf and reloads"


@pytest.mark.passwords_required
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def check_first_rule_asks_for_a_password(
    address: str,
    plan: Plan,
    rules: list[HbaRule] = in_target_db(RULES),
    members: dict[str, set[str]] = in_target_db(MEMBERS),
) -> None:
    """The first rule that applies to the application's roles over TCP names its database, and asks for a password."""
    database, wrong = plan.database.name, []
    for role in (plan.database.role, *plan.database.other_roles):
        own_roles = members.get(role, {role})
        for kind in ("hostnossl", "hostssl"):
            rule = first_match(rules, database, own_roles, role, address, kind)
            # A further role of which only an md5 hash is known may have a rule of its own that takes it.
            own = rule is not None and rule.users == [role] != [plan.database.role]
            methods = {plan.database.over_tcp} | ({"md5"} if own else set())
            if rule is None or rule.method not in methods or database not in rule.databases:
                wrong.append(f"{role}: line {rule.line}, {rule.method}" if rule else f"{role}: no rule")
    if wrong:
        raise NoGo(
            f"pg_hba.conf on the target, connections to {database} from {address}",
            expected=f"first a rule for {database} itself, with {plan.database.over_tcp}",
            found="; ".join(dict.fromkeys(wrong)),
            remedy=MEND,
        )


@pytest.mark.passwords_required
def check_rules_in_force_are_the_files(
    wrong: list[str] = in_target_db(WRONG_LINES), stale: bool = in_target_db(STALE)
) -> None:
    """pg_hba.conf holds no wrong line, and the server has loaded it since it was last changed."""
    must_be_none(
        "pg_hba.conf on the target",
        expected="no wrong line",
        found=wrong,
        remedy="correct the line on the target, then `systemctl reload postgresql`",
    )
    if stale:
        raise NoGo(
            "pg_hba.conf on the target",
            expected="loaded since its last change",
            found="changed later",
            remedy="`systemctl reload postgresql` on the target",
        )


@pytest.mark.passwords_required
def check_wrong_password_is_refused(plan: Plan, answer: str | None = in_target_db(as_a_stranger)) -> None:
    """Who is not the application is refused: by a wrong password over TCP, or as another user of the system where it has none."""
    if answer not in {"28P01", "28000"}:
        raise NoGo(
            f"{plan.database.role} on the target, for {as_a_stranger(plan).which}",
            expected="refused",
            found="let in" if answer is None else f"SQLSTATE {answer}",
            remedy=MEND,
        )


@pytest.mark.passwords_required
def check_passwords_are_stored_as_planned(
    plan: Plan, found: str = in_target_db(server.setting("password_encryption"))
) -> None:
    """New passwords are stored in a form that the plan's method can use."""
    expected = plan.database.over_tcp
    must_equal("password_encryption on the target", expected=expected, found=found, remedy=MEND)


@pytest.mark.data_copied
@pytest.mark.final_data_copied
def check_stored_passwords_fit_their_rules(
    plan: Plan,
    rules: list[HbaRule] = in_target_db(RULES),
    members: dict[str, set[str]] = in_target_db(MEMBERS),
    roles: dict[str, Role] = in_target_db(lambda plan: roles_named(names(plan))),
) -> None:
    """Every role that came along can log in: its stored password is of a form that the rule for it takes."""
    wrong = []
    for name, role in roles.items():
        if not role.attributes["LOGIN"] or role.password is None:
            continue
        own = members.get(name, {name})
        for address in ("127.0.0.1", "::1"):
            rule = first_match(rules, plan.database.name, own, name, address, "hostnossl")
            if rule is None or not may_log_in(role.password, rule.method):
                kind = role.password.partition("$")[0] if role.password.startswith("SCRAM") else "md5"
                wrong.append(f"{name}: {kind}, line {rule.line} asks for {rule.method}" if rule else f"{name}: no rule")
    if wrong:
        raise NoGo(
            "stored passwords on the target",
            expected="each of a form that its rule in pg_hba.conf takes",
            found="; ".join(dict.fromkeys(wrong)),
            remedy=f"{MEND}; a role that has only an md5 hash needs an md5 rule, or a new password",
        )
