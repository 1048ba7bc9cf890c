"""The schema public is on a later server what it was on production, after a dump and a restore."""

from contextlib import closing

import pytest

from fixtures.sameness import catalog, pinned
from fixtures.sameness.differences import unified
from steps.tools.grants import carry_public_schema

PAIRS = [(13, 15), (13, 17), (15, 17), (15, 15)]
CHANGES = ["SELECT 1", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "ALTER SCHEMA public OWNER TO curator",
           "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO curator", "DROP SCHEMA public"]  # fmt: skip


class Direct:
    """A database by its socket, with as much of `Database` as is needed."""

    def __init__(self, session):
        session.autocommit = True
        self.session = session

    def rows(self, query, *_):
        with self.session.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def value(self, query):
        return self.rows(query)[0][0]

    def execute(self, statement):
        with self.session.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p[0]}-to-{p[1]}")
def test_public_is_as_on_production(pair, change, request):
    older, newer = (request.getfixturevalue(f"server{version}") for version in pair)
    for server in {older.port: older, newer.port: newer}.values():
        server.run("psql", "-Xqc", "DO 'BEGIN CREATE ROLE curator; EXCEPTION WHEN duplicate_object THEN NULL; END'")
    older.run("psql", "-Xqc", "CREATE DATABASE public_one TEMPLATE template0", "-c", "\\c public_one", "-c", change)
    newer.run("psql", "-Xqc", "CREATE DATABASE public_two TEMPLATE template0")
    newer.run("pg_restore", "-d", "public_two", stdin=older.run("pg_dump", "-Fc", "public_one"))
    with closing(older.connect("public_one")) as one, closing(newer.connect("public_two")) as two:
        carry_public_schema(Direct(one), Direct(two))
        told = []
        for session in (one, two):
            pinned.pin(session)
            told.append({name: words for name, words in catalog.read_grants(session).items() if name != "database"})
    older.run("psql", "-Xqc", "DROP DATABASE public_one")
    newer.run("psql", "-Xqc", "DROP DATABASE public_two")
    assert unified(*told) == ""
