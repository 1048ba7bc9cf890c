"""The target's roles are production's."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace

import pytest

from checks.check_data import AGAIN
from fixtures.errors import NoGo
from fixtures.facts.fact import SqlFact
from fixtures.facts.roles import role_settings, roles_named
from fixtures.facts.wanted import in_source_db, in_target_db
from fixtures.plan import Plan
from fixtures.policy.roles import Role, Setting, differing, made_anew, names, opens, with_logins
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run
from fixtures.sameness.differences import differences

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]

_SALT = secrets.token_bytes(16)


def _roles(plan: Plan) -> SqlFact[dict[str, Role]]:
    return roles_named(names(plan))


def _settings(plan: Plan) -> SqlFact[list[Setting]]:
    return role_settings(names(plan), plan.database.name)


def check_roles_match(
    plan: Plan, run: Run, there: dict[str, Role] = in_source_db(_roles), found: dict[str, Role] = in_target_db(_roles)
) -> None:
    """The application's roles are production's: attributes, groups, limits and passwords."""
    before = run.records(SourceClosure).logins if run.has(SourceClosure) else {}
    expected = with_logins(there, before)
    own, password = plan.database.role, plan.database.password
    anew = password and own in expected and own in found and made_anew(plan, own, expected[own].password)
    # Where production's hash is of another form, the same password must open the new one.
    if password and anew and opens(found[own].password, own, password.reveal()):
        expected[own] = replace(expected[own], password=found[own].password)
    differences_of = {name: differing(role, found.get(name)) for name, role in expected.items()}
    different = "; ".join(f"{name}: {', '.join(parts)}" for name, parts in differences_of.items() if parts)
    if different:
        raise NoGo("roles on the target", expected="as on production", found=different, remedy=AGAIN)
    absent = ", ".join(sorted(set(names(plan)) - set(expected)))
    if absent:
        raise NoGo(
            "roles on production",
            expected="every role that the plan names",
            found=f"no role {absent}",
            remedy="correct database.role or database.other_roles in the plan",
        )


def check_settings_match(
    expected: list[Setting] = in_source_db(_settings), found: list[Setting] = in_target_db(_settings)
) -> None:
    """The settings of roles and database are set on the target too."""
    different = differences(readable_settings(expected), readable_settings(found))
    if different:
        raise NoGo(
            "ALTER ROLE and ALTER DATABASE settings on the target",
            expected="production's",
            found=different,
            remedy=AGAIN,
        )


def readable_settings(settings: Sequence[Setting]) -> dict[str, str]:
    """Each setting, role and database named -> its value. One with a dot is the application's own and may be a secret: a hash stands for it."""
    return {
        f"{name} of {one.role or 'all roles'} in {one.database or 'all databases'}": (
            f"(hidden) {hashlib.sha256(_SALT + value.encode()).hexdigest()[:16]}" if "." in name else value
        )
        for one in settings
        for name, value in one.values
    }
