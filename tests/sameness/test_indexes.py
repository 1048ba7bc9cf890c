"""Indexes of a real server, verified and broken."""

from contextlib import closing

import pytest

from checks import check_indexes
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.run.records import DataCopy, IndexesVerified
from steps.tools.indexes import verify_indexes

SCHEMA = """
CREATE FUNCTION odd(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE TABLE t (id serial PRIMARY KEY, word text);
INSERT INTO t (word) SELECT 'word ' || n FROM generate_series(1, 500) n;
CREATE INDEX t_odd ON t (odd(word));
CREATE INDEX t_word ON t (word);
CREATE TABLE parted (a integer) PARTITION BY LIST (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE INDEX ON parted (a);
CREATE FUNCTION never() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
CREATE EVENT TRIGGER never ON ddl_command_start EXECUTE FUNCTION never();
"""


@pytest.fixture(params=[13, 15, 17])
def server(request):
    server = request.getfixturevalue(f"server{request.param}")
    server.run("psql", "-Xqc", "CREATE DATABASE indexed")
    server.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", "indexed", stdin=SCHEMA.encode())
    yield server
    server.run("psql", "-Xqc", "DROP DATABASE indexed WITH (FORCE)")


def verify(server, heap=True):
    with closing(server.connect("indexed")) as session:
        return verify_indexes(session, heap=heap)


def left(server):
    query = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"
    return server.run("psql", "-XAtd", "indexed", "-c", query, "-c", "SELECT to_regnamespace('gonogo_amcheck')").split()


def test_sound_indexes_are_counted_and_nothing_is_left(server):
    assert verify(server) == IndexesVerified(heap=True, verified=4)
    assert left(server) == [b"0"]


def test_a_function_that_changed_its_meaning_is_found_in_the_heap_alone_and_hides_no_other(server):
    change = "CREATE OR REPLACE FUNCTION odd(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)'"
    server.run("psql", "-Xqd", "indexed", "-c", "SET session_replication_role = replica", "-c", change)
    found = verify(server)
    assert (found.verified, list(found.broken)) == (3, ["t_odd"])
    assert "lacks matching index tuple" in found.broken["t_odd"]
    assert "word" not in found.broken["t_odd"].replace("t_word", "")
    assert verify(server, heap=False).verified == 4


def test_a_session_that_was_ended_is_no_traceback(server):
    with closing(server.connect("indexed")) as session:
        server.run("psql", "-Xqc", f"SELECT pg_terminate_backend({session.info.backend_pid})")
        assert verify_indexes(session, heap=True).unavailable


def test_a_page_that_was_turned_is_found_without_reading_the_heap(server):
    path = server.run("psql", "-XAtd", "indexed", "-c", "CHECKPOINT", "-c", "SELECT pg_relation_filepath('t_word')")
    file = server.directory / "data" / path.decode().split()[-1]
    server.stop()
    content = bytearray(file.read_bytes())
    at = 8192 + 24 + 4 * 10  # past the header of the first leaf, among its line pointers
    content[at : at + 8] = content[at + 4 : at + 8] + content[at : at + 4]
    file.write_bytes(bytes(content))
    server.start()
    assert list(verify(server, heap=False).broken) == ["t_word"]


def test_an_extension_that_is_there_is_used_and_stays(server):
    server.run("psql", "-Xqd", "indexed", "-c", "SET session_replication_role = replica", "-c",
               "CREATE SCHEMA tools; CREATE EXTENSION amcheck SCHEMA tools")  # fmt: skip
    assert verify(server).verified == 4
    assert left(server) == [b"1"]


def test_what_could_not_be_done_is_said(server):
    with closing(server.connect("indexed")) as session:
        session.set_session(readonly=True)
        assert "read-only" in verify_indexes(session, heap=False).unavailable


def test_the_check_is_red_for_a_broken_one_and_could_not_verify_without_amcheck():
    record = DataCopy.model_construct(indexes=IndexesVerified(heap=True, verified=3))
    check_indexes.check_indexes_are_sound(record)
    record.indexes = IndexesVerified(heap=True, verified=3, broken={"t_odd": "lacks an entry"})
    with pytest.raises(NoGo, match="t_odd: lacks an entry"):
        check_indexes.check_indexes_are_sound(record)
    for nothing in (None, IndexesVerified(heap=True, unavailable="no amcheck")):
        record.indexes = nothing
        with pytest.raises(CouldNotVerify):
            check_indexes.check_indexes_are_sound(record)
