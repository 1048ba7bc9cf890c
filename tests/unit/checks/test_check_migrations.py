"""Migrations on the target, against those of production."""

from types import SimpleNamespace

import pytest

from checks import check_migrations
from fixtures.errors import NoGo
from fixtures.plan import Migrations
from fixtures.run.records import Said
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY


def run(**said):
    survey = SURVEY.model_copy(update={"said": {"rails": Said(**said)}})
    return SimpleNamespace(records=lambda _: survey)


def test_a_migration_that_production_went_through_must_be_recorded():
    known = run(applied=["1", "2"])
    check_migrations.check_every_migration_is_recorded("schema_migrations", PLAN, known, ["1", "2"], ["1", "2"])
    with pytest.raises(NoGo, match="pending: 2"):
        check_migrations.check_every_migration_is_recorded("schema_migrations", PLAN, known, ["1", "2"], ["1"])
    with pytest.raises(NoGo, match="a release without migrations"):
        check_migrations.check_every_migration_is_recorded("schema_migrations", PLAN, known, [], ["1"])


def test_what_waits_on_production_too_may_wait():
    check_migrations.check_every_migration_is_recorded("schema_migrations", PLAN, run(applied=["1"]), ["1", "2"], ["1"])
    check_migrations.check_application_finds_nothing_to_migrate(
        "rails", PLAN, run(pending=["x"]), {"rails": Said(pending=["x"])}
    )


def test_a_pending_migration_more_is_no_go():
    with pytest.raises(NoGo, match="pending: y"):
        check_migrations.check_application_finds_nothing_to_migrate(
            "rails", PLAN, run(pending=["x"]), {"rails": Said(pending=["x", "y"])}
        )


def test_a_migration_that_ran_on_production_alone_is_no_go_where_no_table_of_ours_tells():
    plan = PLAN.model_copy(update={"migrations": Migrations(kind="alembic")})
    survey = SURVEY.model_copy(update={"said": {"alembic": Said(applied=["a", "b"])}})
    known = SimpleNamespace(records=lambda _: survey)
    check = check_migrations.check_application_finds_nothing_to_migrate
    check("alembic", plan, known, {"alembic": Said(applied=["a", "b"])})
    with pytest.raises(NoGo, match="not applied: b"):
        check("alembic", plan, known, {"alembic": Said(applied=["a"])})
