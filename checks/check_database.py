"""The application's role and database are there, as production has them."""

import pytest

from fixtures.connect.database import Database
from fixtures.errors import NoGo
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.database_created

MEND = "run `gonogo run --until database_created`"


def check_right_password_is_accepted(target_db: Database, plan: Plan) -> None:
    """The application's own password is accepted over TCP."""
    answer = target_db.password_login(plan.database.role, plan.database.password.reveal(), plan.database.name)
    if answer is not None:
        raise NoGo(
            f"{plan.database.role} to {plan.database.name} on the target, over TCP, with the plan's password",
            expected="let in",
            found=f"refused ({answer})",
            remedy=f"see that database.password in the plan is production's; {MEND}",
        )


def check_role_is_no_superuser(target_db: Database, plan: Plan) -> None:
    """The application's role can log in, and has no power beyond its own."""
    rows = target_db.rows(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s",
        (plan.database.role,), dbname="postgres",
    )  # fmt: skip
    found = rows[0] if rows else None
    if found != (True, False, False, False, False, False):
        raise NoGo(
            f"the role {plan.database.role} on the target",
            expected="login, nothing else",
            found=found or "no such role",
            remedy=MEND,
        )


def check_encoding_and_collation_are_productions(target_db: Database, plan: Plan, run: Run) -> None:
    """Encoding, collation, character type and owner of the database are production's."""
    survey = run.records(Survey)
    rows = target_db.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s",
        (plan.database.name,), dbname="postgres",
    )  # fmt: skip
    expected = (survey.encoding, survey.collation, survey.ctype, plan.database.role)
    if rows != [expected]:
        raise NoGo(
            f"the database {plan.database.name} on the target (encoding, collation, ctype, owner)",
            expected=expected,
            found=rows[0] if rows else "no such database",
            remedy=MEND,
        )
