"""The application finds nothing to migrate: schema_migrations arrived with the data."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import catalogue, release
from fixtures.facts.wanted import in_target_db, on_target
from fixtures.plan import Plan

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_every_migration_is_recorded(
    plan: Plan,
    wanted: list[str] = on_target(release.migrations),
    recorded: list[str] = in_target_db(catalogue.MIGRATIONS),
) -> None:
    """Every migration of the release is in schema_migrations."""
    directory = f"{plan.application.current}/db/migrate"
    pending = sorted(set(wanted).difference(recorded))
    complete = bool(wanted) and not pending
    if not complete:
        raise NoGo(
            "schema_migrations on the target",
            expected=f"every version of {directory}",
            found=f"pending: {', '.join(pending)}" if pending else "a release without migrations",
            remedy="copy the release and the database from the same production; do not migrate on the target",
        )
