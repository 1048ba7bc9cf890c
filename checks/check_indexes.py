"""The target's indexes are whole, and text sorts in them as it does on production."""

import pytest

from checks.check_data import AGAIN
from checks.equality import must_be_none
from fixtures.errors import CouldNotVerify
from fixtures.facts import catalogue
from fixtures.facts.wanted import in_target_db
from fixtures.run.records import DataCopy

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_indexes_are_valid(invalid: list[str] = in_target_db(catalogue.INVALID_INDEXES)) -> None:
    """Every index on the target is valid."""
    must_be_none("indexes on the target", expected="all valid", found=invalid, remedy="REINDEX them on the target")


def check_indexes_are_sound(copied: DataCopy) -> None:
    """PostgreSQL's own amcheck found every B-tree index of the copy sound."""
    verified = copied.indexes
    if verified is None or verified.unavailable:
        raise CouldNotVerify(
            "the indexes on the target",
            expected="to be verified by amcheck when the data was copied",
            found=verified.unavailable if verified else "a copy that was not finished",
            remedy="add the package with amcheck (postgresql-contrib) to postgresql.packages in the plan, then copy again",
        )
    broken = [f"{name}: {words}" for name, words in sorted(verified.broken.items())]
    must_be_none(
        "the indexes on the target",
        expected="sound, all of them",
        found=broken,
        most=5,
        remedy=f"REINDEX them; where an index uses a function that is wrongly marked IMMUTABLE, mend that on production first. {AGAIN}",
    )
