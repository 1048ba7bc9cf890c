"""The application's role and database are there, as production has them."""

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.facts import server
from fixtures.facts.logins import with_own_login
from fixtures.facts.roles import roles_named
from fixtures.facts.server import Locale
from fixtures.facts.wanted import in_target_db
from fixtures.plan import Plan
from fixtures.policy.roles import Role
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.database_created

MEND = "run `gonogo run --until database_created`"


def check_right_password_is_accepted(plan: Plan, refused: str | None = in_target_db(with_own_login)) -> None:
    """The application's role is let in as the application logs in: with its own password over TCP, or as its user by peer."""
    if refused is not None:
        raise NoGo(
            f"{plan.database.role} to {plan.database.name} on the target, by {plan.database.authentication}",
            expected="let in",
            found=f"refused ({refused})",
            remedy=f"see that database.password in the plan is production's; {MEND}",
        )


def check_role_is_no_superuser(
    plan: Plan, roles: dict[str, Role] = in_target_db(lambda plan: roles_named([plan.database.role]))
) -> None:
    """The application's role can log in, and has no power beyond its own."""
    role = roles.get(plan.database.role)
    found = [name for name, on in role.attributes.items() if on and name != "INHERIT"] if role else ["no such role"]
    if found != ["LOGIN"]:
        raise NoGo(
            f"the role {plan.database.role} on the target",
            expected="login, nothing else",
            found=", ".join(found) or "no login",
            remedy=MEND,
        )


def check_encoding_and_collation_are_productions(
    plan: Plan, run: Run, locales: dict[str, Locale] = in_target_db(server.LOCALES)
) -> None:
    """Encoding, collation, character type and owner of the database are production's."""
    survey = run.records(Survey)
    expected = Locale(survey.encoding, survey.collation, survey.ctype, plan.database.role)
    must_equal(
        f"the database {plan.database.name} on the target",
        expected=expected,
        found=locales.get(plan.database.name, "no such database"),
        remedy=MEND,
    )
