"""Sessions over SSH on a real PostgreSQL, and what a server's refusal looks like."""

import os
import shutil
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2 import sql

from fixtures.connect.database import Database, error_code
from fixtures.connect.host import open_host
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from tests.servers import running
from tests.unit.loopback import running_sshd


def message(kind, body):
    return kind + (len(body) + 4).to_bytes(4) + body


def test_the_code_of_a_refusal_is_read_from_the_stream():
    asked = message(b"R", b"\0\0\0\x0a" + b"SCRAM-SHA-256\0\0")
    refusal = message(b"E", b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0")
    assert error_code(asked + refusal) == "28P01"
    assert error_code(asked) is None
    assert error_code(b"") is None


@given(st.binary(max_size=60))
def test_a_strange_stream_is_no_refusal(stream):
    error_code(stream)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        host = open_host("target", server.login(), lambda path: path)
        yield host
        host.close()


@pytest.fixture(scope="module")
def server():
    directory = Path(tempfile.mkdtemp())  # pytest's own are closed to the user postgres
    directory.chmod(0o755)
    with running(15, directory / "pg") as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def database(host, server):
    database = Database(host, dbname="app", port=server.port, socket_directory=server.sockets)
    database.execute("CREATE DATABASE app", dbname="postgres")
    database.execute("CREATE ROLE payroll LOGIN PASSWORD %s", ("open sesame",))
    yield database
    database.close()


@pytest.fixture
def read_only(host, server):
    database = Database(host, dbname="app", port=server.port, socket_directory=server.sockets, read_only=True)
    yield database
    database.close()


def test_rows_and_values(database):
    assert database.rows("SELECT n, 'ü' FROM generate_series(1, %s) n", (2,)) == [(1, "ü"), (2, "ü")]
    assert database.value("SELECT current_user || '@' || current_database()") == "postgres@app"
    assert database.value("SELECT current_database()", dbname="postgres") == "postgres"
    assert database.value("SELECT 1 WHERE false") is None
    assert database.value("SELECT 'a%b' LIKE 'a%'"), "no parameters: a percent sign is itself"
    assert database.value("SELECT current_setting('application_name')") == "gonogo"
    assert database.identity().isdigit()


def test_ten_megabytes_each_way(database):
    # Not by COPY: psycopg2 keeps the interpreter's lock while it flushes the end of one, and the relay needs it.
    data = os.urandom(5_000_000).hex()
    assert database.rows("SELECT %s", (data,)) == [(data,)]


def test_reading_never_writes(database, read_only):
    for one in (database, read_only):
        with pytest.raises(CouldNotVerify, match="read-only transaction"):
            one.rows("CREATE TABLE x ()")
    with pytest.raises(Refused):
        read_only.execute("CREATE TABLE x ()")
    with pytest.raises(Refused):
        read_only.connect(read_only=False)
    with closing(read_only.connect(statement_timeout=7, lock_timeout=3)) as session, session.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')")
        assert dict(cursor.fetchall()) == {"statement_timeout": "7000", "lock_timeout": "3000"}


def test_a_wrong_query_is_one_clear_error(database):
    with pytest.raises(CouldNotVerify) as caught:
        database.rows("SELECT *\n  FROM absent")
    assert caught.value.subject == "database app on target"
    assert caught.value.expected == "an answer to: SELECT * FROM absent"
    assert caught.value.found == 'relation "absent" does not exist'
    assert database.value("SELECT 1") == 1, "the session is still good"


def test_a_slow_query_meets_its_time_limit(database):
    with pytest.raises(CouldNotVerify, match="timeout"):
        database.rows("SELECT pg_sleep(5)", timeout=0.2)


def test_a_failed_statement_names_no_literal(database):
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier("absent role"), sql.Literal("geheim"))
    with pytest.raises(StepFailed) as caught:
        database.execute(statement)
    assert "ALTER ROLE absent role PASSWORD ..." in caught.value.expected
    assert "geheim" not in str(caught.value)


def test_a_database_that_was_read_can_be_dropped(database):
    database.execute("CREATE DATABASE passing", dbname="postgres")
    assert database.value("SELECT 1", dbname="passing") == 1
    database.execute("DROP DATABASE passing", dbname="postgres")
    with pytest.raises(CouldNotVerify, match="passing"):
        database.value("SELECT 1", dbname="passing")


def test_password_logins(database):
    assert database.password_login("payroll", "open sesame") is None
    assert database.password_login("payroll", "wrong") == "28P01"
    assert database.password_login("nobody", "wrong") == "28P01"
    with pytest.raises(CouldNotVerify, match="absent"):
        database.password_login("payroll", "open sesame", "absent")


def test_the_operators_own_password_does_not_help(database, tmp_path, monkeypatch):
    own = tmp_path / "pgpass"
    own.write_text("*:*:*:*:open sesame\n")
    own.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(own))
    with pytest.raises(CouldNotVerify, match="no password"):
        database.password_login("payroll", "")


def test_threads_share_a_database(database):
    seen = []
    threads = [threading.Thread(target=lambda n=n: seen.append(database.value("SELECT %s", (n,)))) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(10))


def test_a_restarted_server_is_met_again_and_a_stopped_one_is_told(database, server):
    assert database.value("SELECT 1") == 1
    server.stop()
    with pytest.raises(CouldNotVerify, match="No such file"):
        database.value("SELECT 1")
    with pytest.raises(CouldNotVerify, match="refused"):
        database.password_login("payroll", "open sesame")
    server.start()
    assert database.value("SELECT 1") == 1


def test_closing_leaves_nothing(host, server):
    def relays():
        return host.run("pgrep -f %s", f"perl.*{server.sockets}/[.]s").stdout.split()

    before = relays()
    database = Database(host, dbname="app", port=server.port, socket_directory=server.sockets)
    database.value("SELECT 1")
    relay = database._relay
    assert relay is not None
    assert relay.directory.stat().st_mode & 0o777 == 0o700
    assert len(relays()) > len(before)
    database.close()
    assert not relay.directory.exists()
    host.run("sleep 0.3")
    assert relays() == before
