"""Rows on a real server: what a digest tells apart, where differences are, what cannot be proven, and going on later."""

import threading
import time
from contextlib import closing, contextmanager
from types import SimpleNamespace

import psycopg2
import pytest

from checks import check_data
from fixtures.connect.sessions import Session, SilentServerError
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.catalogue import TABLES
from fixtures.plan import Proof
from fixtures.sameness import brake
from fixtures.sameness.brake import Brake
from fixtures.sameness.digest import Digest, Method, choose_method, differing, keep_digest, kept_buckets
from fixtures.sameness.ledger import Ledger
from fixtures.sameness.localise import locate
from fixtures.sameness.proofs import Rows
from fixtures.sameness.reading import Reading
from fixtures.sameness.side import Side, explain
from fixtures.sameness.tables import LARGE_OBJECTS

# Values that a type's own hash function takes for equal, and those that lie close to each other.
PAIRS = {
    "bigint": ("1", "4294967296"),
    "bigint ": ("-1", "-4294967297"),
    "numeric": ("5", "-5"),
    "numeric ": ("1.0", "1.00"),
    "numeric  ": ("NaN", "Infinity"),
    "numeric(12,2)": ("10000", "1"),
    "double precision": ("0", "-0"),
    "double precision ": ("NaN", "0.1"),
    "real": ("0", "-0"),
    "interval": ("24 hours", "1 day"),
    "interval ": ("30 days", "1 month"),
    "timestamptz": ("2020-01-01 00:00:00+00", "2020-01-01 01:11:34.967296+00"),
    "timestamp": ("infinity", "-infinity"),
    "date": ("infinity", "-infinity"),
    "date ": ("4713-01-01 BC", "5874897-12-31"),
    "time": ("00:00", "24:00"),
    "timetz": ("12:00+00", "13:00+01"),
    "boolean": ("t", "f"),
    '"char"': ("a", "b"),
    "char(3)": ("ab", "ac"),
    "bpchar": ("a", "a "),
    "text": ("a", "a "),
    "text COLLATE \"C\"": ("é", "e\u0301"),
    "varchar(9)": ("", " "),
    "bytea": (r"\x00", r"\x01"),
    "json": ('{"a":1}', '{"a": 1}'),
    "jsonb": ('{"a":1.0}', '{"a":1.00}'),
    "xml": ("<a/>", "<a></a>"),
    "inet": ("10.0.0.1/8", "10.0.0.1/32"),
    "cidr": ("10.0.0.0/8", "10.0.0.0/9"),
    "macaddr": ("08:00:2b:01:02:03", "08:00:2b:01:02:04"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"),
    "bit(3)": ("101", "100"),
    "varbit": ("1", "10"),
    "int[]": ("{1,2}", "{{1,2}}"),
    "int[] ": ("{1,2}", "[0:1]={1,2}"),
    "text[]": ("{NULL}", '{"NULL"}'),
    "int4range": ("[1,5)", "[1,6)"),
    "numrange": ("[1,5)", "[1,5]"),
    "tsvector": ("a:1", "a:1A"),
    "tsquery": ("a & b", "a | b"),
    "money": ("1", "-1"),
    "point": ("(1,2)", "(2,1)"),
    "oid": ("1", "4294967295"),
    "citext": ("a", "A"),
    "hstore": ("a=>NULL", "a=>\"NULL\""),
    "mood": ("sad", "happy"),
    "whole": ("1", "2"),
    "feeling": ("sad", "happy"),
    "pair": ("(1,)", "(1,\"\")"),
}  # fmt: skip


def connect(server, dbname="sameness", **options):
    place = {"host": server.sockets, "port": server.port, "user": "postgres", "dbname": dbname}
    return psycopg2.connect(connection_factory=Session, **place, **options)


@contextmanager
def reading(server, dbname="sameness", connections=2, **options):
    with closing(Reading(dbname, lambda: connect(server, dbname), connections=connections, **options)) as made:
        yield made


@pytest.fixture(scope="module")
def databases(server15):
    """Two databases with the types that tests need."""
    with closing(connect(server15, "postgres")) as session, session.cursor() as cursor:
        session.autocommit = True
        for name in ("sameness", "other"):
            cursor.execute(f"CREATE DATABASE {name}")
    for name in ("sameness", "other"):
        run(
            server15,
            """CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'happy');
            CREATE DOMAIN feeling AS mood;
            CREATE DOMAIN whole AS int CHECK (value > 0); CREATE TYPE pair AS (a int, b text)""",
            name,
        )
    return server15


def run(server, statements, dbname="sameness"):
    with closing(connect(server, dbname)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(statements)


def made(server, statements):
    for name in ("sameness", "other"):
        run(
            server, f"DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; SET search_path = s, public; {statements}", name
        )


def located(server, table, show=()):
    with reading(server) as source, reading(server, "other") as target:
        before, after = source.digest(table).buckets, target.digest(table).buckets
        buckets = {b: (before.get(b, (0, 0, 0)), after.get(b, (0, 0, 0))) for b in differing(before, after)}
        return locate(source, target, table, buckets, show) if buckets else None


@pytest.mark.parametrize("method", Method)
def test_every_two_values_that_differ_as_text_differ(databases, method):
    columns = [f'"column {n}" {name}' for n, name in enumerate(PAIRS)]
    made(databases, "".join(f"CREATE TABLE t{n} (id int, {c});" for n, c in enumerate(columns)))
    for place, dbname in enumerate(("sameness", "other")):
        with closing(connect(databases, dbname)) as session, session.cursor() as cursor:
            for n, pair in enumerate(PAIRS.values()):
                cursor.execute(f"INSERT INTO s.t{n} VALUES (1, %s)", (pair[place],))
            session.commit()
    with reading(databases, method=method) as one, reading(databases, "other", method=method) as two:
        equal = [name for n, name in enumerate(PAIRS) if one.digest(f"s.t{n}").text == two.digest(f"s.t{n}").text]
    assert not equal


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("name", [name for name in PAIRS if name.strip() not in ("json", "xml")])
def test_swapped_values_and_nulls_differ(databases, method, name):
    """Between two columns of a row, between rows, and NULL against a value on either side."""
    one, two = PAIRS[name]
    made(databases, f"CREATE TABLE t (a {name}, b {name}); SET xmloption = content")
    digests = []
    for rows in ([(one, two)], [(two, one)], [(None, one)], [(one, None)], [(None, None)], [(one, one)],
                 [(one, two), (one, two)], [(one, one), (two, two)], [(one, two), (two, one)]):  # fmt: skip
        with closing(connect(databases)) as session, session.cursor() as cursor:
            cursor.execute("TRUNCATE s.t")
            cursor.executemany("INSERT INTO s.t VALUES (%s, %s)", rows)
            session.commit()
        with reading(databases, method=method) as side:
            digests.append(side.digest("s.t").text)
    assert len(set(digests)) == len(digests)


def test_changes_are_named_by_key_and_column_and_masked(databases):
    made(
        databases,
        """CREATE TABLE "T""T" (id int PRIMARY KEY, t text, "x%y" bytea, "Ünï" date);
        INSERT INTO "T""T" SELECT g, 'secret ' || g, '\\x00ff', '2020-01-01'::date + g FROM generate_series(1, 5000) g""",
    )
    assert located(databases, 's."T""T"') is None
    run(
        databases,
        """UPDATE s."T""T" SET "x%y" = '\\x01ff' WHERE id = 7; DELETE FROM s."T""T" WHERE id = 9;
        INSERT INTO s."T""T" VALUES (-1, NULL, NULL, NULL); UPDATE s."T""T" SET t = '' , "Ünï" = NULL WHERE id = 11;""",
        "other",
    )
    found = located(databases, 's."T""T"', show=["Ünï"])
    assert {str(one) for one in found.differences} == {
        "id = '7': x%y (values masked)",
        "id = '9': missing on the target",
        "id = '-1': more than on production",
        "id = '11': t (values masked), Ünï is NULL instead of '2020-01-12'",
    }
    assert not found.more
    assert "secret" not in str(found)


def test_without_a_key_the_row_and_its_column_are_named(databases):
    made(
        databases,
        "CREATE TABLE t (a int, b text, c text); INSERT INTO t SELECT g % 10, 'x', 'y' FROM generate_series(1, 100) g",
    )
    run(databases, "UPDATE s.t SET c = NULL WHERE ctid = '(0,5)'; INSERT INTO s.t VALUES (3, 'x', 'y')", "other")
    kinds = {(one.kind, one.columns) for one in located(databases, "s.t").differences}
    assert kinds == {("changed", ("c",)), ("extra", ())}


def test_a_table_that_differs_everywhere_is_told_by_a_part(databases, monkeypatch):
    monkeypatch.setattr("fixtures.sameness.localise.MOST_ROWS", 10)
    made(
        databases,
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT g, g FROM generate_series(1, 30000) g",
    )
    run(databases, "UPDATE s.t SET a = -a", "other")
    found = located(databases, "s.t")
    assert found.more
    assert found.differences
    assert {(one.kind, one.columns) for one in found.differences} == {("changed", ("a",))}


def test_many_chunks_are_one_table(databases, monkeypatch):
    made(
        databases,
        "CREATE TABLE t (id int PRIMARY KEY, a text) WITH (fillfactor = 10); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 20000) g",
    )
    with reading(databases) as side:
        whole = side.digest("s.t")
    monkeypatch.setattr("fixtures.sameness.chunks.PAGES", 7)
    monkeypatch.setattr("fixtures.sameness.reading.TOGETHER", 0)
    with reading(databases, connections=3) as side:
        assert side.relations["s.t"].pages > 100
        assert side.digest("s.t").text == whole.text
        assert whole.rows == 20000


def test_what_kinds_of_tables_are_read(databases):
    made(databases, """
        CREATE TABLE p (id int, a text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY LIST (a);
        CREATE TABLE p1a PARTITION OF p1 DEFAULT; CREATE TABLE p2 PARTITION OF p DEFAULT;
        INSERT INTO p SELECT g, 'x' FROM generate_series(1, 20) g;
        CREATE TABLE parent (id int); CREATE TABLE child (more int) INHERITS (parent); INSERT INTO child VALUES (1, 1);
        CREATE UNLOGGED TABLE u (id int); CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
        CREATE TABLE g (a int, twice int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO g VALUES (4);
        CREATE MATERIALIZED VIEW m AS SELECT * FROM p; CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;
        CREATE TABLE r (id int); INSERT INTO r VALUES (1); ALTER TABLE r ENABLE ROW LEVEL SECURITY; ALTER TABLE r FORCE ROW LEVEL SECURITY;
        CREATE SCHEMA IF NOT EXISTS "s.t"; CREATE TABLE "s.t".u (id int)""")  # fmt: skip
    with reading(databases) as side:
        rows = {name: side.digest(name).rows for name in side.relations}
    assert rows == {
        "s.child": 1, "s.g": 1, "s.m": 20, "s.nothing": 1, "s.p": 20, "s.parent": 0, "s.r": 1, "s.u": 0,
        '"s.t".u': 0, LARGE_OBJECTS: 0,
    }  # fmt: skip
    with closing(connect(databases)) as session, session.cursor() as cursor:
        cursor.execute(TABLES.statement)
        assert {name for (name,) in cursor.fetchall()} == set(rows) - {LARGE_OBJECTS}
    run(databases, 'DROP SCHEMA "s.t" CASCADE; DROP SCHEMA s CASCADE')
    run(databases, 'DROP SCHEMA "s.t" CASCADE', "other")


def test_large_objects_with_owner_grants_and_every_byte(databases):
    run(
        databases,
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'clerk') THEN CREATE ROLE clerk; END IF; END $$",
    )
    for name in ("sameness", "other"):
        run(
            databases,
            """SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
            SELECT lo_from_bytea(4711, decode(repeat('ab', 3000000), 'hex')), lo_from_bytea(4712, ''), lo_create(4713);
            GRANT SELECT ON LARGE OBJECT 4712 TO clerk""",
            name,
        )
    assert located(databases, LARGE_OBJECTS) is None
    run(
        databases,
        """SELECT lo_put(4711, 2500000, '\\x00'); REVOKE ALL ON LARGE OBJECT 4712 FROM clerk; SELECT lo_unlink(4713)""",
        "other",
    )
    assert {str(one) for one in located(databases, LARGE_OBJECTS).differences} == {
        "id = '4711', slice = '2': content (values masked)",
        "id = '4712', slice = '0': grants (values masked)",
        "id = '4713', slice = '0': missing on the target",
    }
    for name in ("sameness", "other"):
        run(databases, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata", name)


def test_what_cannot_be_proven_is_named_and_the_others_are_proven(databases):
    made(databases, """
        CREATE TYPE mute; CREATE FUNCTION mute_in(cstring) RETURNS mute LANGUAGE internal IMMUTABLE STRICT AS 'textin';
        CREATE FUNCTION mute_out(mute) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'trigger_out';
        CREATE TYPE mute (INPUT = mute_in, OUTPUT = mute_out); CREATE TABLE silent (a mute); INSERT INTO silent VALUES ('x');
        CREATE TABLE good (a int); INSERT INTO good VALUES (1); CREATE TABLE closed (a int);
        DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA s TO reader;
        GRANT SELECT ON good, silent TO reader""".replace("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN CREATE ROLE reader LOGIN; END IF; END $$;"))  # fmt: skip

    def as_reader():
        place = {"host": databases.sockets, "port": databases.port, "user": "reader", "dbname": "sameness"}
        return psycopg2.connect(connection_factory=Session, **place)

    with closing(Reading("production", as_reader, connections=2)) as side:
        found = side.digests()
    assert isinstance(found["s.good"], Digest)
    for table, words in (("s.silent", "trigger"), ("s.closed", "permission denied")):
        error = found[table]
        assert isinstance(error, CouldNotVerify)
        assert error.subject == f"{table} on production"
        assert words in error.found
    assert isinstance(found[LARGE_OBJECTS], CouldNotVerify)


def test_both_methods_are_chosen_by_what_servers_answer(databases, server17):
    with closing(connect(databases)) as one, closing(connect(server17, "postgres")) as two:
        assert choose_method(one, two) is Method.TYPED

    class Other:
        """A server that hashes otherwise."""

        def cursor(self):
            return closing(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def close(self):
            pass

        def execute(self, _):
            pass

        def fetchall(self):
            return [([1],)]

    with closing(connect(databases)) as one:
        other = Other()
        other.cursor = lambda: other
        assert choose_method(one, other) is Method.MD5


def test_a_server_that_cannot_take_the_self_test_keeps_its_snapshot(databases):
    run(databases, "CREATE DATABASE cyrillic ENCODING 'WIN1251' LOCALE 'C' TEMPLATE template0", "postgres")

    def opened():
        return connect(databases, "cyrillic", client_encoding="UTF8")

    with closing(Reading("production", opened, connections=1)) as side, closing(opened()) as other:
        side.method = choose_method(side.session, other)
        assert side.method is Method.MD5
        assert isinstance(side.digest(LARGE_OBJECTS), Digest)
    with closing(opened()) as one:
        run(databases, f"SELECT pg_terminate_backend({one.info.backend_pid})", "postgres")
        with pytest.raises(CouldNotVerify):
            choose_method(one, one)
    run(databases, "DROP DATABASE cyrillic WITH (FORCE)", "postgres")


def test_what_was_copied_is_compared_with_what_production_still_holds(databases, tmp_path):
    made(
        databases,
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT g, g FROM generate_series(1, 3000) g",
    )
    with reading(databases) as source:
        record = keep_digest(tmp_path, source.digest("s.t"))
    assert record.rows == 3000
    run(databases, "UPDATE s.t SET a = 0 WHERE id = 5", "other")
    run(databases, "UPDATE s.t SET a = -1 WHERE id > 2990")
    with reading(databases) as source, reading(databases, "other") as target:
        sides = Side(source), Side(target)
        told = explain(kept_buckets(tmp_path, record), *sides, "s.t", ["a"])
    assert "id = '5': a is '0' instead of '5'" in told
    run(databases, "ALTER TABLE s.t ADD b text", "other")
    with reading(databases) as source, reading(databases, "other") as target:
        told = explain(kept_buckets(tmp_path, record), Side(source), Side(target), "s.t", [])
    assert "its columns or its key are not those" in told
    file = tmp_path / "digests" / f"{record.digest}.gz"
    for spoilt in (b"", file.read_bytes()[:20] + b"spoilt" * 9):
        file.write_bytes(spoilt)
        with pytest.raises(CouldNotVerify):
            kept_buckets(tmp_path, record)


def test_a_column_of_another_type_with_the_same_values_is_told(databases):
    made(databases, "CREATE TABLE t (a varchar); INSERT INTO t VALUES ('x')")
    with reading(databases) as source:
        recorded = source.digest("s.t").buckets
    for name in ("sameness", "other"):
        run(databases, "ALTER TABLE s.t ALTER a TYPE text", name)
    with reading(databases) as source, reading(databases, "other") as target:
        assert "no row differs" in explain(recorded, Side(source), Side(target), "s.t", [])


def test_a_column_whose_name_breaks_lines(databases, tmp_path):
    made(databases, 'CREATE TABLE t ("a\r\x0b\u2028\nb" int); INSERT INTO t VALUES (1)')
    for ledger in (Ledger(tmp_path / "p"), Ledger(tmp_path / "p")):
        with reading(databases, ledger=ledger) as side:
            digest = side.digest("s.t")
        assert digest.rows == 1
        assert kept_buckets(tmp_path, keep_digest(tmp_path, digest)) == digest.buckets


def test_a_proof_that_broke_off_goes_on_where_the_database_is_the_same(databases, tmp_path, monkeypatch):
    monkeypatch.setattr("fixtures.sameness.chunks.PAGES", 7)
    monkeypatch.setattr("fixtures.sameness.reading.TOGETHER", 0)
    monkeypatch.setattr("fixtures.sameness.ledger.SAVE_SECONDS", 0.0)
    made(
        databases,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT g FROM generate_series(1, 50000) g; CREATE TABLE u (id int)",
    )
    with reading(databases) as side:
        whole = side.digest("s.t")
    said: list[str] = []
    with reading(databases, ledger=Ledger(tmp_path / "p"), say=said.append) as side:
        side.digest("s.u")
        original, count = Reading._fetch, []

        def breaks(self, relation, query):
            count.append(1)
            if len(count) > 10:
                raise CouldNotVerify("the line", expected="a", found="b", remedy="c")
            return original(self, relation, query)

        with monkeypatch.context() as patched:
            patched.setattr(Reading, "_fetch", breaks)
            with pytest.raises(CouldNotVerify):
                side.digest("s.t")
    assert not said
    with monkeypatch.context() as patched:
        asked = []
        patched.setattr(
            Reading, "_fetch", lambda self, relation, query: asked.append(1) or original(self, relation, query)
        )
        with reading(databases, ledger=Ledger(tmp_path / "p"), say=said.append) as side:
            assert side.digest("s.t").text == whole.text
        assert 0 < len(asked) <= 32 - 8
    assert "goes on: 2 tables" in said[0]
    run(databases, "INSERT INTO s.t VALUES (0)")
    ledger = Ledger(tmp_path / "p")
    with reading(databases, ledger=ledger, say=said.append) as side:
        assert side.digest("s.t").rows == 50001
    assert "begins anew" in said[1]
    ledger.clear()
    assert not (tmp_path / "p").exists()


def test_small_tables_count_once_where_a_proof_that_broke_off_goes_on(databases, tmp_path, monkeypatch):
    made(databases, "".join(f"CREATE TABLE t{n} (id int); INSERT INTO t{n} VALUES ({n});" for n in range(3)))
    names = [f"s.t{n}" for n in range(3)]
    with reading(databases) as side:
        whole = [side.digest(name).text for name in names]
    for asked in (2, 3, 3):
        with reading(databases, ledger=Ledger(tmp_path / "p")) as side:
            assert [side.digest(name).text for name in names[:asked]] == whole[:asked]
    monkeypatch.setattr(Reading, "_fetch", None)
    with reading(databases, ledger=Ledger(tmp_path / "p")) as side:
        assert [side.digest(name).text for name in names] == whole, "nothing is read again"


def test_a_server_that_falls_silent_while_small_tables_are_read_is_not_waited_for(databases, monkeypatch):
    def look(session):
        session.close()
        raise SilentServerError("it did not answer in time")

    monkeypatch.setattr("fixtures.sameness.reading.STILL_SECONDS", 0.2)
    monkeypatch.setattr(Session, "look", look)
    made(databases, "".join(f"CREATE TABLE t{n} (id int);" for n in range(3)))
    with closing(connect(databases)) as other, other.cursor() as cursor, reading(databases, connections=1) as side:
        cursor.execute("LOCK TABLE s.t1")
        for name, words in (("s.t0", "did not answer"), ("s.t2", "broken off")):
            with pytest.raises(CouldNotVerify, match=words):
                side.digest(name)


def test_production_under_pressure_makes_the_proof_pause(databases, monkeypatch):
    said: list[str] = []
    released = threading.Event()
    busy = connect(databases)
    cursor = busy.cursor()
    cursor.execute("SELECT pg_advisory_xact_lock(7)")

    def release():
        released.set()
        busy.rollback()

    def say(text):
        said.append(text)
        if "pauses" in text:
            threading.Timer(0.2, release).start()

    limits = Proof(max_active_sessions=1)
    pressed, looking = Brake(limits, say), connect(databases, application_name="gonogo")
    looking.autocommit = True
    monkeypatch.setattr(brake, "LOOK_SECONDS", 0.05)
    others = [connect(databases) for _ in range(2)]

    def work(session):
        with session.cursor() as one:
            one.execute("SELECT pg_advisory_xact_lock_shared(7)")

    threads = [threading.Thread(target=work, args=(session,)) for session in others]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    with looking.cursor() as one:
        while one.execute("SELECT FROM pg_locks WHERE NOT granted") or one.rowcount < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    pressed.wait(looking)
    assert released.is_set()
    assert said[0].startswith("the proof pauses: 2 active sessions")
    assert said[1].startswith("the proof goes on")
    for thread in threads:
        thread.join()
    for session in (*others, busy, looking):
        session.close()


def test_a_connection_that_breaks_is_opened_again(databases):
    made(databases, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT g FROM generate_series(1, 1000) g")
    with reading(databases, connections=1) as side:
        assert side.digest("s.t").rows == 1000
        with closing(connect(databases)) as session, session.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'sameness' AND pid NOT IN (%s, %s)",
                (side.session.info.backend_pid, session.info.backend_pid),
            )
        assert side.digest("s.t").rows == 1000


def test_a_proof_that_paused_for_too_long_does_not_wait_again_for_each_table(databases, monkeypatch):
    monkeypatch.setattr(brake, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(brake, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(Brake, "_pressed", lambda *_: "too many")
    made(databases, "".join(f"CREATE TABLE t{n} (id int);" for n in range(60)))
    begun = time.monotonic()
    with reading(databases, brake=Brake(Proof(), lambda _: None)) as side:
        found = side.digests()
    assert {error.found for error in found.values()} == {"too many"}
    assert time.monotonic() - begun < 30, "waiting for each on either connection takes as long"


def test_what_is_broken_off_ends_at_once(databases, monkeypatch):
    """In the midst of a statement, and while it pauses; until then it is said that it goes on."""
    monkeypatch.setattr("fixtures.sameness.reading.STILL_SECONDS", 0.1)
    made(databases, "CREATE TABLE t (id int); CREATE TABLE u (id int)")
    said: list[str] = []
    for pressed in ("", "too many"):
        monkeypatch.setattr(Brake, "_pressed", lambda *_, pressed=pressed: pressed)
        side = Reading(
            "p", lambda: connect(databases), connections=2, brake=Brake(Proof(), said.append), say=said.append
        )
        with closing(connect(databases)) as other, other.cursor() as cursor, closing(Side(side)) as made_side:
            cursor.execute("LOCK TABLE s.t")
            stopping = threading.Timer(0.5, side.stop)
            stopping.start()
            begun = time.monotonic()
            with pytest.raises(CouldNotVerify):
                made_side.digest("s.t")
            assert time.monotonic() - begun < 20
            stopping.join()
            with pytest.raises(CouldNotVerify):
                side.digest("s.u")
    assert "rows of p: 0 read, waiting for the server" in said


def test_a_table_that_is_locked_while_tables_are_listed(databases):
    made(databases, "CREATE TABLE t (id int)")
    with closing(connect(databases)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE s.t")
        with pytest.raises(CouldNotVerify) as told:
            Reading("p", lambda: connect(databases, options="-c lock_timeout=100"), connections=1)
    assert "lock timeout" in told.value.found


def test_a_snapshot_outlives_the_servers_limit_for_transactions(server17):
    def opened():
        return connect(server17, "postgres", options="-c transaction_timeout=300")

    with closing(Reading("p", opened, connections=1)) as side:
        time.sleep(0.5)
        assert isinstance(side.digest(LARGE_OBJECTS), Digest)


def test_a_stale_materialised_view_is_told_what_to_do(databases, monkeypatch):
    monkeypatch.setattr(check_data, "before_journeys", lambda _: None)
    made(databases, "CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW m AS TABLE t")
    run(databases, "INSERT INTO s.t VALUES (2); REFRESH MATERIALIZED VIEW s.m", "other")
    with reading(databases) as source, reading(databases, "other") as target:
        copied = SimpleNamespace(tables={name: source.digest(name).copy_record() for name in ("s.t", "s.m")})
        for name, remedy in (("s.t", check_data.AGAIN), ("s.m", check_data.REFRESH)):
            found = Rows(target.relations[name].kind, target.digest(name).copy_record())
            with pytest.raises(NoGo) as told:
                check_data.check_row_counts_match(name, copied, None, {"the target": found}, {})
            assert remedy in str(told.value)
