"""The target's roles are production's."""

from dataclasses import replace

import pytest

from checks.check_data import AGAIN
from fixtures import roles
from fixtures.database import Database
from fixtures.evidence import SourceClosure
from fixtures.plan import Plan
from fixtures.run import Run
from fixtures.verdict import problem

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


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
    assert not words, problem("roles on the target", expected="as on production", found=words, remedy=AGAIN)


def check_settings_match(plan: Plan, source_db: Database, target_db: Database) -> None:
    """What roles and database have set for themselves is set on the target too."""
    wanted, name = roles.names(plan), plan.database.name
    expected = {(s.role, s.database): s.values for s in roles.read_settings(source_db, wanted, name)}
    found = {(s.role, s.database): s.values for s in roles.read_settings(target_db, wanted, name)}
    assert found == expected, problem(
        "ALTER ROLE and ALTER DATABASE settings", expected=expected, found=found, remedy=AGAIN
    )
