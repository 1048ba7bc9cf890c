"""The target's schema is production's: every object with its definition, owner and grants."""

import pytest

from checks.check_data import AGAIN
from fixtures.errors import NoGo
from fixtures.facts import catalogue
from fixtures.facts.wanted import in_source_db, in_target_db
from fixtures.plan import Plan
from fixtures.run.records import DataCopy, Survey
from fixtures.run.run import Run
from fixtures.sameness import catalog, differences, proofs, schema

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]

MAINTAIN = 170000
"""The first server version with the privilege MAINTAIN, which is part of ALL there."""


def _schema(schema_kind: str, production_version: int, target_version: int) -> proofs.PinnedFact[dict[str, str]]:
    return proofs.schema_of(schema_kind, production_version, target_version)


def check_schema_matches(
    schema_kind: str,
    production_version: int = in_source_db(proofs.VERSION),
    target_version: int = in_target_db(proofs.VERSION),
    expected: dict[str, str] = in_source_db(_schema),
    found: dict[str, str] = in_target_db(_schema),
) -> None:
    """Every object of this kind is on the target as production defines it, and none is there that production lacks."""
    differing = schema.schema_differences(schema_kind, expected, found, (production_version, target_version))
    if differing:
        raise NoGo(f"{schema_kind} on the target", expected="as on production", found=f"\n{differing}", remedy=AGAIN)


def check_owners_and_grants_match(
    production_version: int = in_source_db(proofs.VERSION),
    target_version: int = in_target_db(proofs.VERSION),
    expected: dict[str, str] = in_source_db(proofs.GRANTS),
    found: dict[str, str] = in_target_db(proofs.GRANTS),
) -> None:
    """Every object has production's owner and grants."""
    if min(production_version, target_version) < MAINTAIN:
        expected, found = catalog.without_maintain(expected), catalog.without_maintain(found)
    differing = differences.unified(expected, found)
    if differing:
        raise NoGo("owners and grants on the target", expected="production's", found=f"\n{differing}", remedy=AGAIN)


def check_extensions_match(plan: Plan, run: Run, found: dict[str, str] = in_target_db(catalogue.EXTENSIONS)) -> None:
    """Every extension of production is installed in its version, or in a later one of a later server."""
    survey = run.records(Survey)
    expected = dict(survey.extensions)
    if plan.postgresql.version > int(survey.server_version.split(".")[0]):
        later = [name for name in expected if name in found and is_later(found[name], expected[name])]
        expected |= {name: found[name] for name in later}
    differing = differences.differences(expected, found)
    if differing:
        raise NoGo(
            "extensions on the target",
            expected="as surveyed on production",
            found=differing,
            remedy="add their packages to postgresql.packages in the plan, then copy again",
        )


def is_later(version: str, than: str) -> bool:
    """Whether a version as extensions have it, numbers between dots, is a later one; one with other characters is never later."""
    numbers = [[int(part) if part.isdigit() else -1 for part in text.split(".")] for text in (version, than)]
    return all(-1 not in part for part in numbers) and numbers[0] > numbers[1]


def check_statistics_are_there(copied: DataCopy, analysed: list[str] = in_target_db(catalogue.ANALYSED)) -> None:
    """The planner knows the tables: a restored database without statistics is slow on its first morning."""
    bare = sorted({name for name, t in copied.tables.items() if t.rows} - set(analysed))
    if bare:
        raise NoGo(
            "statistics on the target",
            expected="of every table with rows",
            found=f"none of {', '.join(bare[:5])}",
            remedy="run ANALYZE in the application's database on the target",
        )
