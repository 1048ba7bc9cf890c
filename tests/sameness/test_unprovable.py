"""What cannot be proven is told by its name, and the other tables are proven all the same."""

from contextlib import closing

import pytest

from tests.sameness.proving import verdicts

TABLES = """
CREATE TABLE readable AS SELECT g AS id FROM generate_series(1, 100) g;
CREATE TABLE hidden AS TABLE readable;
CREATE TABLE secured AS TABLE readable;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON secured USING (id < 10);
CREATE TABLE partly AS SELECT 1 AS id, 'secret' AS word;
CREATE TYPE mute;
CREATE FUNCTION mute_in(cstring) RETURNS mute LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION mute_out(mute) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'trigger_out';
CREATE TYPE mute (INPUT = mute_in, OUTPUT = mute_out, LIKE = text);
CREATE TABLE muted (id int, word mute);
INSERT INTO muted VALUES (1, 'said');
CREATE MATERIALIZED VIEW empty AS TABLE readable WITH NO DATA;
GRANT SELECT ON readable, secured, muted, empty TO stranger;
GRANT SELECT (id) ON partly TO stranger;
"""


@pytest.fixture(scope="module")
def server(server15):
    server15.run("psql", "-Xqc", "CREATE ROLE stranger LOGIN", "-c", "CREATE DATABASE one", "-c", "CREATE DATABASE two")
    for name in ("one", "two"):
        server15.run("psql", "-Xqd", name, "-v", "ON_ERROR_STOP=1", stdin=TABLES.encode())
    yield server15
    server15.run("psql", "-Xqc", "DROP DATABASE one", "-c", "DROP DATABASE two", "-c", "DROP ROLE stranger")


def test_a_value_without_text_is_told_by_its_table(server):
    with closing(server.connect("one")) as one, closing(server.connect("two")) as two:
        found = verdicts(one, two)
    assert found["public.muted"] == "could-not-verify"
    assert {name for name, verdict in found.items() if verdict == "equal"} >= {
        "public.readable", "public.hidden", "public.secured", "public.partly",
    }  # fmt: skip


def test_a_table_that_one_may_not_read_is_told_by_its_name(server):
    with closing(server.connect("one", "stranger")) as one, closing(server.connect("two", "stranger")) as two:
        found = verdicts(one, two)
    assert {name for name, verdict in found.items() if verdict == "could-not-verify"} >= {
        "public.hidden", "public.secured", "public.partly", "public.muted",
    }  # fmt: skip
    assert found["public.readable"] == "equal"


def test_a_table_that_only_one_side_has_is_never_equal(server):
    server.run("psql", "-Xqd", "two", "-c", "CREATE TABLE late (x int)")
    try:
        with closing(server.connect("one")) as one, closing(server.connect("two")) as two:
            assert verdicts(one, two)["public.late"] != "equal"
            assert verdicts(two, one)["public.late"] != "equal"
    finally:
        server.run("psql", "-Xqd", "two", "-c", "DROP TABLE late")
