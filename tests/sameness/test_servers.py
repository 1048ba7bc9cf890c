"""The private servers are what the other tests take them for, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.servers import SUITES, running, session


@pytest.mark.parametrize("version", SUITES)
def test_a_server_of_each_version_with_its_programs(version, request):
    server = request.getfixturevalue(f"server{version}")
    with session(server) as one, one.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')")
        assert cursor.fetchall() == [(version, "off")]
    server.run("psql", "-Xqc", "CREATE DATABASE tried", "-c", "CREATE DATABASE again")
    with session(server, "tried") as one, one.cursor() as cursor:
        cursor.execute("CREATE EXTENSION citext; CREATE TABLE t AS SELECT 'Ü'::citext AS x")
        one.commit()
    assert b"Dumped by pg_dump version %d." % version in server.run("pg_dump", "tried")
    dump = server.run("pg_dump", "-Fc", "tried")
    server.run("pg_restore", "-d", "again", stdin=dump)
    server.stop()
    server.start()
    assert server.run("psql", "-XAtd", "again", "-c", "TABLE t").decode() == "Ü\n"
    server.run("psql", "-Xqc", "DROP DATABASE again", "-c", "DROP DATABASE tried")


def test_a_server_sorts_as_asked(tmp_path):
    with running(17, tmp_path / "p", locale="en_US.UTF-8") as server:
        query = "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{B,a}'::text[]) x"
        assert server.run("psql", "-XAtc", query) == b"aB\n"


def test_nothing_outlives_a_test_that_was_killed(tmp_path):
    code = "import sys, time; from pathlib import Path; from tests.servers import running\n" \
           "with running(15, Path(sys.argv[1])) as s: print(s.process.pid, flush=True); time.sleep(60)"  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "p")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    first = int(child.stdout.readline())
    of_it = f"{tmp_path}/p"
    assert of_it in processes()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    until = time.monotonic() + 60
    while of_it in processes() or alive(first):
        assert time.monotonic() < until, processes()
        time.sleep(0.05)


def processes():
    return subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
