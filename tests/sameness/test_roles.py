"""Roles and their settings are made on another server as production has them, with the options of each membership."""

from contextlib import closing

import pytest

from fixtures.facts.fact import ask
from fixtures.facts.roles import role_settings, roles_named
from fixtures.policy import roles

ROLES = ["member", "quiet", "one_group", "other_group"]
SETUP = """
CREATE ROLE member; CREATE ROLE quiet NOINHERIT; CREATE ROLE one_group; CREATE ROLE other_group;
GRANT one_group TO member WITH ADMIN OPTION; GRANT other_group TO member; GRANT one_group TO quiet;
ALTER ROLE ALL SET work_mem TO '5MB'
"""
SINCE_16 = """
GRANT one_group TO member WITH INHERIT FALSE; GRANT other_group TO member WITH INHERIT FALSE, SET FALSE;
GRANT other_group TO quiet WITH INHERIT TRUE; GRANT other_group TO quiet WITH ADMIN OPTION;
GRANT other_group TO one_group GRANTED BY quiet; GRANT other_group TO one_group
"""


class Cluster:
    """A server by its socket, with as much of `Database` as is needed."""

    def __init__(self, session):
        self.session = session

    def rows(self, query, parameters, **_):
        with self.session.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()


@pytest.mark.parametrize("pair", [(13, 15), (15, 17), (17, 17)], ids=lambda p: f"{p[0]}-to-{p[1]}")
def test_roles_are_as_on_production(pair, request):
    older, newer = (request.getfixturevalue(f"server{version}") for version in pair)
    read = []
    made = []
    for server in (older, newer):
        with closing(server.connect("postgres")) as session, session.cursor() as cursor:
            cursor.execute("; ".join(made) or SETUP)
            if not made and server.version >= 16:
                cursor.execute(SINCE_16)
            found = ask(Cluster(session), roles_named(ROLES))
            settings = ask(Cluster(session), role_settings(ROLES, "postgres"))
            read.append((found, settings))
            made = [roles.create(name).as_string(session) for name in ROLES]
            made += [s.as_string(session) for role in found.values() for s in roles.alter(role)]
            made += [s.as_string(session) for setting in settings for s in roles.apply_setting(setting)]
            session.rollback()
    assert read[0] == read[1]
    assert roles.Setting("", "", (("work_mem", "5MB"),)) in read[0][1]
    if older.version >= 16:
        assert read[0][0]["member"].groups == (
            "one_group with admin without inherit",
            "other_group without inherit without set",
        )
        assert read[0][0]["quiet"].groups == ("one_group", "other_group with admin with inherit")
        assert read[0][0]["one_group"].groups == ("other_group",)
