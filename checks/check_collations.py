"""Text is stored and sorted on the target as it is on production."""

import pytest
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from checks.check_data import AGAIN
from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.sameness import collations
from fixtures.sameness.differences import differences, unified

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]


def check_encoding_and_locale_match(both: tuple[Session, Session]) -> None:
    """The database has production's encoding and locale."""
    expected, found = (collations.read_locale(session) for session in both)
    differing = differences(expected, found)
    if differing:
        raise NoGo("the target's database", expected="production's locale", found=differing, remedy=AGAIN)


def check_collation_versions_are_current(both: tuple[Session, Session]) -> None:
    """Every collation in use on the target has the version that its library has now."""
    stale = collations.stale_collations(both[1])
    must_be_none(
        "collations on the target",
        expected="the library's version",
        found=stale,
        remedy="on the target: REINDEX DATABASE of the application's, then ALTER DATABASE ... REFRESH COLLATION VERSION or, for one of"
        " its own, ALTER COLLATION ... REFRESH VERSION",
    )


def check_text_sorts_alike(both: tuple[Session, Session]) -> None:
    """Words that show the order come in production's order, by the default collation and by every other one in use."""
    names = [collations.DEFAULT, *collations.used_collations(both[0])]
    expected, found = (
        {name: "\n".join(map(repr, collations.sorted_words(session, name))) for name in names} for session in both
    )
    differing = unified(expected, found, most=30)
    if differing:
        raise NoGo(
            "the order of text on the target",
            expected="production's",
            found=f"\n{differing}",
            remedy="where the two hosts' libraries sort differently, see that users and the application can live with it, and waive; else copy again",
        )
