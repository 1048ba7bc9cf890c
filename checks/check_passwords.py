"""The application's database asks for a password over TCP, ahead of every looser rule."""

import pytest

from fixtures.database import Database
from fixtures.plan import Plan
from fixtures.verdict import problem

pytestmark = pytest.mark.passwords_required

MEND = "run `gonogo run --until passwords_required`; it puts the password rule at the top of pg_hba.conf and reloads"

# The first rule that matches an address decides. "all" and the database's own name match it, "sameuser" and the like may.
_FIRST = """
SELECT line_number, auth_method, %s = ANY (database), array_to_string(database, ',') || ' ' || array_to_string(user_name, ',') || ' ' || address
FROM pg_hba_file_rules
WHERE error IS NULL AND type LIKE 'host%%' AND type <> 'hostgssenc'
  AND database && ARRAY['all', %s]
  AND user_name && ARRAY['all', %s, '+' || %s]
  AND (address IN ('all', 'samehost', 'samenet', 'localhost')
       OR (address ~ '^[0-9a-fA-F:.]+$' AND family(address::inet) = family(%s::inet)
           AND netmask IS NOT NULL
           AND (CASE WHEN family(address::inet) = 4
                THEN (address::inet & netmask::inet) = (%s::inet & netmask::inet)
                ELSE address::inet = %s::inet OR netmask::inet = '::'::inet END)))
ORDER BY line_number LIMIT 1
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def check_first_rule_asks_for_a_password(address: str, target_db: Database, plan: Plan) -> None:
    """The first rule that applies to the application over TCP is its database's own, and asks for a password."""
    role, database = plan.database.role, plan.database.name
    rows = target_db.rows(_FIRST, (database, database, role, role, address, address, address), dbname="postgres")
    found = f"line {rows[0][0]}: {rows[0][1]} ({rows[0][3]})" if rows else "no rule: refused"
    assert rows and rows[0][1:3] == (plan.database.authentication, True), problem(
        f"pg_hba.conf on the target, {role} to {database} from {address}",
        expected=f"a rule for {database} itself, {plan.database.authentication}, ahead of every other that matches",
        found=found,
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
