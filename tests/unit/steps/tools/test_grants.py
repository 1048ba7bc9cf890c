"""Grants, made anew on the target."""

from steps.tools.grants import grants_anew
from tests.unit.statements import shown


def test_grants_of_the_database_replace_the_default_ones() -> None:
    assert grants_anew("DATABASE", "d", "o", []) == []
    grants = [("", "CONNECT", False), ("r", "TEMPORARY", True)]
    told = [shown(s) for s in grants_anew("DATABASE", "d", "o", grants)]
    assert told == [
        'REVOKE ALL ON DATABASE "d" FROM PUBLIC',
        'REVOKE ALL ON DATABASE "d" FROM "o"',
        'GRANT CONNECT ON DATABASE "d" TO PUBLIC',
        'GRANT TEMPORARY ON DATABASE "d" TO "r" WITH GRANT OPTION',
    ]
