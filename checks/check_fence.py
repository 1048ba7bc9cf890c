"""Production's database can be closed to everybody but gonogo, and nobody else is hit by it."""

import pytest

from checks.equality import must_be_none
from fixtures.connect.database import SUPERUSER
from fixtures.facts import server
from fixtures.facts.roles import ENTRANTS, STALE, WRONG_LINES, WRONG_SETTINGS
from fixtures.facts.wanted import in_source_db
from fixtures.plan import Plan
from fixtures.policy.entrants import Entrant, spared

pytestmark = pytest.mark.source_surveyed


def check_rules_can_be_changed(
    wrong: list[str] = in_source_db(WRONG_LINES),
    settings: list[str] = in_source_db(WRONG_SETTINGS),
    stale: bool = in_source_db(STALE),
) -> None:
    """Production's pg_hba.conf holds no wrong line, and the server has loaded it: closing puts rules at its top."""
    must_be_none(
        "pg_hba.conf and postgresql.conf on production",
        expected="no wrong line, and no change that is not loaded",
        found=[*wrong, *settings, *(["changed since the server loaded it"] if stale else [])],
        remedy="mend or undo what is named; SELECT pg_reload_conf() loads the file",
    )


def check_no_other_database_is_hit(plan: Plan, found: list[Entrant] = in_source_db(ENTRANTS)) -> None:
    """No role that closing will keep from logging in works in another database of production's server."""
    kept = {*spared(found, plan, SUPERUSER), plan.database.role}
    hit = [f"{role.name} in {', '.join(role.elsewhere)}" for role in found if role.elsewhere and role.name not in kept]
    must_be_none(
        "roles that may log in to the application's database, and work in others",
        found=hit,
        remedy="list them in cutover.spare_roles: they keep their login, and the application's database refuses them all the "
        "same; or REVOKE CONNECT on it from them (and from PUBLIC)",
    )


def check_no_extension_works_by_itself(
    found: list[server.Session] = in_source_db(lambda plan: server.inside(plan.database.name)),
) -> None:
    """No worker of an extension sits in production's database: ended, it would begin again behind the fence."""
    workers = [
        one.kind for one in found if one.kind != "client backend" and not one.kind.startswith("logical replication")
    ]
    must_be_none(
        "background workers in production's database",
        found=sorted(set(workers)),
        remedy="give the extension another database for the night (pg_cron: cron.database_name), or switch its worker off there; "
        "it needs a restart of PostgreSQL, so do it before the window",
    )
