"""Sequences that would give a number twice are named; those that cannot be judged so are left alone."""

from contextlib import closing

import pytest

from fixtures.sameness import pinned
from fixtures.sameness.catalog import read_sequences, read_sequences_behind

SCHEMA = """
CREATE SCHEMA s;
CREATE TABLE s.owned (id serial, "Odd id" bigint GENERATED ALWAYS AS IDENTITY, note text);
CREATE SEQUENCE s."Loose";
CREATE TABLE s.used (n numeric DEFAULT nextval('s."Loose"'), label text DEFAULT 'no ' || nextval('s."Loose"'));
CREATE TABLE s.parted (id bigserial, k integer) PARTITION BY LIST (k);
CREATE TABLE s.parted_1 PARTITION OF s.parted FOR VALUES IN (1);
CREATE SEQUENCE s.down INCREMENT -5 START -5;
CREATE TABLE s.falling (n integer DEFAULT nextval('s.down'));
CREATE SEQUENCE s.round MAXVALUE 5 CYCLE;
CREATE TABLE s.cycled (n integer DEFAULT nextval('s.round'));
CREATE TABLE s."100% sure" ("%s" serial);
INSERT INTO s."100% sure" SELECT FROM generate_series(1, 3);
CREATE SCHEMA z; CREATE SCHEMA "z.a"; CREATE SEQUENCE "z.a".b START 5; CREATE SEQUENCE z."a.b" START 7;
INSERT INTO s.owned (note) SELECT 'x' FROM generate_series(1, 5);
INSERT INTO s.used SELECT FROM generate_series(1, 5);
INSERT INTO s.parted (k) SELECT 1 FROM generate_series(1, 5);
INSERT INTO s.falling SELECT FROM generate_series(1, 5);
INSERT INTO s.cycled SELECT FROM generate_series(1, 7);
"""

BEHIND = [
    ("SELECT setval('s.owned_id_seq', 4)", "s.owned_id_seq gives 5 next, s.owned.id holds 5"),
    ("SELECT setval('s.owned_id_seq', 5, false)", "s.owned_id_seq gives 5 next, s.owned.id holds 5"),
    ("SELECT setval('s.owned_id_seq', 5)", None),
    ("SELECT setval('s.owned_id_seq', 6, false)", None),
    ("TRUNCATE s.owned RESTART IDENTITY", None),
    ("""SELECT setval('s."owned_Odd id_seq"', 1)""", "gives 2 next, s.owned.Odd id holds 5"),
    ("""SELECT setval('s."Loose"', 3)""", 's."Loose" gives 4 next, s.used.n holds 9'),
    ("UPDATE s.parted_1 SET id = 50 WHERE id = 5", "s.parted_id_seq gives 6 next, s.parted.id holds 50"),
    ("SELECT setval('s.down', -20)", "s.down gives -25 next, s.falling.n holds -25"),
    ("UPDATE s.cycled SET n = 5", None),
]


@pytest.fixture(scope="module")
def session(server15):
    server15.run("psql", "-Xqc", "CREATE DATABASE numbered")
    server15.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", "numbered", stdin=SCHEMA.encode())
    with closing(server15.connect("numbered")) as session:
        pinned.pin(session)
        session.commit()
        yield session
    server15.run("psql", "-Xqc", "DROP DATABASE numbered WITH (FORCE)")


def test_two_names_never_become_one(session):
    found = read_sequences(session)
    assert (found['"z.a".b'], found['z."a.b"']) == ((5, False), (7, False))


def test_as_they_were_filled_none_is_behind(session):
    assert read_sequences_behind(session) == []


@pytest.mark.parametrize(("change", "told"), BEHIND, ids=[str(n) for n in range(len(BEHIND))])
def test_one_that_is_behind_is_named(session, change, told):
    # setval is not undone by a rollback.
    with session.cursor() as cursor:
        cursor.execute("SELECT format('SELECT setval(%L, %s, %L)', s.oid::regclass, q.last_value, q.last_value IS NOT NULL)"
                       " FROM pg_class s JOIN pg_sequences q ON q.schemaname = 's' AND q.sequencename = s.relname"
                       " WHERE s.relkind = 'S'")  # fmt: skip
        back = [row[0] for row in cursor.fetchall()]
        cursor.execute(change)
        found = read_sequences_behind(session)
        session.rollback()
        for statement in back:
            cursor.execute(statement)
        session.commit()
    assert (told in found[0] and len(found) == 1) if told else found == []
