"""Text is stored and sorted on the target as it is on production."""

import pytest

from checks.check_data import AGAIN
from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts.wanted import in_source_db, in_target_db
from fixtures.sameness import collations, proofs
from fixtures.sameness.differences import differences, unified

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_encoding_and_locale_match(
    expected: dict[str, str] = in_source_db(proofs.LOCALE), found: dict[str, str] = in_target_db(proofs.LOCALE)
) -> None:
    """The database has production's encoding and locale."""
    differing = differences(expected, found)
    if differing:
        raise NoGo("the target's database", expected="production's locale", found=differing, remedy=AGAIN)


def check_collation_versions_are_current(stale: list[str] = in_target_db(proofs.STALE_COLLATIONS)) -> None:
    """Every collation in use on the target has the version that its library has now."""
    must_be_none(
        "collations on the target",
        expected="the library's version",
        found=stale,
        remedy="on the target: REINDEX DATABASE of the application's, then ALTER DATABASE ... REFRESH COLLATION VERSION or, for one of"
        " its own, ALTER COLLATION ... REFRESH VERSION",
    )


def check_text_sorts_alike(
    used: list[str] = in_source_db(proofs.USED_COLLATIONS),
    expected: dict[str, list[str]] = in_source_db(lambda used: proofs.words_by(used)),
    found: dict[str, list[str]] = in_target_db(lambda used: proofs.words_by(used)),
) -> None:
    """Words that show the order come in production's order, by the default collation and by every other one in use."""
    before, after = (
        {name: "\n".join(map(repr, side[name])) for name in (collations.DEFAULT, *used)} for side in (expected, found)
    )
    differing = unified(before, after, most=30)
    if differing:
        raise NoGo(
            "the order of text on the target",
            expected="production's",
            found=f"\n{differing}",
            remedy="where the two hosts' libraries sort differently, see that users and the application can live with it, and waive; else copy again",
        )
