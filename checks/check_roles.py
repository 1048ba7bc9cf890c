"""The target's roles are production's."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace

import pytest

from checks.check_data import AGAIN
from fixtures.connect.database import Database
from fixtures.errors import NoGo
from fixtures.facts import roles
from fixtures.facts.roles import Setting
from fixtures.plan import Plan
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run
from fixtures.sameness.differences import differences

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]

_SALT = secrets.token_bytes(16)


def check_roles_match(plan: Plan, run: Run, source_db: Database, target_db: Database) -> None:
    """The application's roles are production's: attributes, groups, limits and passwords."""
    before = run.records(SourceClosure).logins if run.has(SourceClosure) else {}
    wanted = roles.names(plan)
    expected = roles.read_roles(source_db, wanted, before)
    found = roles.read_roles(target_db, wanted)
    own, password = plan.database.role, plan.database.password.reveal()
    anew = own in expected and own in found and roles.made_anew(plan, own, expected[own].password)
    # Where production's hash is of another form, the same password must open the new one.
    if anew and roles.opens(found[own].password, own, password):
        expected[own] = replace(expected[own], password=found[own].password)
    told = {name: roles.differing(role, found.get(name)) for name, role in expected.items()}
    differing = "; ".join(f"{name}: {', '.join(how)}" for name, how in told.items() if how)
    absent = sorted(set(wanted) - set(expected))
    words = differing or (f"production has no role {', '.join(absent)}" if absent else "")
    if words:
        raise NoGo("roles on the target", expected="as on production", found=words, remedy=AGAIN)


def check_settings_match(plan: Plan, source_db: Database, target_db: Database) -> None:
    """What roles and database have set for themselves is set on the target too."""
    wanted, name = roles.names(plan), plan.database.name
    expected, found = (told_settings(roles.read_settings(db, wanted, name)) for db in (source_db, target_db))
    told = differences(expected, found)
    if told:
        raise NoGo("ALTER ROLE and ALTER DATABASE settings", expected="production's", found=told, remedy=AGAIN)


def told_settings(settings: Sequence[Setting]) -> dict[str, str]:
    """Each setting in words -> its value. One with a dot is the application's own and may be a secret: a hash stands for it."""
    return {
        f"{name} of {one.role or 'all roles'} in {one.database or 'all databases'}": (
            f"(hidden) {hashlib.sha256(_SALT + value.encode()).hexdigest()[:16]}" if "." in name else value
        )
        for one in settings
        for name, value in one.values
    }
