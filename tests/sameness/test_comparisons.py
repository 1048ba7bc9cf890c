"""Queries of the business, on a real server: what they give, and what is refused."""

import tracemalloc
from contextlib import closing

import pytest

from checks import check_comparisons
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Comparison
from fixtures.run.records import DataCopy
from fixtures.sameness import comparisons, pinned
from fixtures.sameness.comparisons import read_comparison, read_comparisons


@pytest.fixture(scope="module")
def database(server15):
    server15.run("psql", "-Xqc", "CREATE DATABASE business", "-c", "ALTER DATABASE business SET search_path TO pay")
    server15.run("psql", "-Xqd", "business", "-c", "CREATE SCHEMA pay; CREATE TABLE slips (id serial, net numeric, at date);"
                 " INSERT INTO slips (net, at) VALUES (1.50, '2024-01-01'), (NULL, '2024-02-01')")  # fmt: skip
    yield server15
    server15.run("psql", "-Xqc", "DROP DATABASE business WITH (FORCE)")


@pytest.fixture
def session(database):
    with closing(database.connect("business")) as session:
        session.set_session(readonly=True)
        pinned.pin(session)
        session.commit()
        yield session


def read(session, query, **more):
    return read_comparisons(session, [Comparison(name="one", query=query, **more)])["one"]


def test_rows_are_counted_and_digested_in_their_order(session):
    up = read(session, "SELECT net, at FROM slips ORDER BY id", show=True)
    assert (up.rows, up.shown) == (2, ["(1.50,2024-01-01)", "(,2024-02-01)"])
    assert read(session, "SELECT net, at FROM slips ORDER BY id; ").sha256 == up.sha256
    assert read(session, "SELECT net, at FROM slips ORDER BY id -- the end").sha256 == up.sha256
    assert read(session, "SELECT net, at FROM slips ORDER BY id DESC").sha256 != up.sha256
    assert read(session, "SELECT net, at FROM slips ORDER BY id").shown == []
    assert read(session, "SELECT 1 WHERE false").rows == 0
    assert read(session, "WITH q AS (SELECT 1 AS a, 2 AS a) SELECT *, 'q' AS q FROM q").rows == 1
    assert read(session, "VALUES ('%s'), ('')").sha256 != read(session, "VALUES ('%s'), (NULL)").sha256
    assert read(session, "VALUES ('a'), ('b')").sha256 != read(session, "VALUES ('a'')(b')").sha256


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT nope FROM slips", 'column "nope" does not exist'),
        ("SELECT 1; SELECT 2", "syntax error"),
        ("SELECT 1) q; DELETE FROM slips; SELECT (1", "multi-query"),
        ("SELECT 1) q; COMMIT; BEGIN READ WRITE; DELETE FROM slips; SELECT (1", "multi-query"),
        ("SELECT nextval('slips_id_seq')", "read-only transaction"),
        ("SELECT set_config('transaction_read_only', 'off', false), nextval('slips_id_seq')", "read-write mode"),
        ("DELETE FROM slips RETURNING id", "syntax error"),
        ("WITH d AS (DELETE FROM slips RETURNING id) SELECT id FROM d", "must be at the top level"),
    ],
)
def test_what_is_no_query_is_told_by_name_and_writes_nothing(database, query, found):
    with closing(database.connect("business")) as session:  # not read-only by itself
        pinned.pin(session)
        with pytest.raises(CouldNotVerify, match="the comparison one in business") as caught:
            read(session, query)
        assert found in caught.value.found
        session.rollback()
        assert read(session, "SELECT id FROM slips").rows == 2
        assert read(session, "SELECT last_value FROM slips_id_seq", show=True).shown == ["(2)"]


def test_what_a_read_only_transaction_of_before_16_lets_through_is_undone(session):
    read(session, "SELECT lo_create(0)")
    session.commit()
    assert read(session, "SELECT oid FROM pg_largeobject_metadata").rows == 0


def test_a_slow_query_meets_its_time_limit(session, monkeypatch):
    monkeypatch.setattr(comparisons, "LIMIT", 0.2)
    with pytest.raises(CouldNotVerify, match="statement timeout"):
        read(session, "SELECT pg_sleep(5)")
    assert read(session, "SELECT 1").rows == 1


def test_a_snapshot_and_the_settings_stay(session):
    session.rollback()
    session.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        read(session, "SELECT 1")
        cursor.execute("SELECT current_setting('search_path'), current_setting('statement_timeout')")
        assert cursor.fetchall() == [("pg_catalog", "0")]


def test_memory_is_bounded(session):
    tracemalloc.start()
    found = read(session, "SELECT n, repeat('x', 1000) FROM generate_series(1, 100000) n", show=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.rows, len(found.shown)) == (100_000, 50)
    assert peak < 10_000_000


def record(session, *asked):
    return DataCopy(
        final=False, snapshot="s", source_identifier="1", target_identifier="2", tables={}, sequences={},
        sequences_after={}, large_objects=0, comparisons=read_comparisons(session, asked),
    )  # fmt: skip


def test_the_check_is_red_for_another_answer_and_for_none(database, session):
    shown = Comparison(name="shown", query="SELECT net FROM slips ORDER BY id", show=True)
    hidden = Comparison(name="hidden", query="SELECT net FROM slips ORDER BY id")
    copied = record(session, shown, hidden)

    def check(one):
        found = {"the target": read_comparison(session, one)}
        check_comparisons.check_comparison_matches(one, copied, found, {})

    for one in (shown, hidden):
        check(one)
    session.rollback()
    database.run("psql", "-Xqd", "business", "-c", "UPDATE slips SET net = 1.51 WHERE id = 1")
    with pytest.raises(NoGo, match=r"-\(1.50\)\s+\+\(1.51\)"):
        check(shown)
    with pytest.raises(NoGo, match="2 rows") as caught:
        check(hidden)
    assert "1.5" not in str(caught.value)
    database.run("psql", "-Xqd", "business", "-c", "UPDATE slips SET net = 1.50 WHERE id = 1")
    with pytest.raises(CouldNotVerify, match="before the plan had it"):
        check(shown.model_copy(update={"name": "new"}))
