"""The fence around a database, on real servers of each version: nobody gets in or stays in, and all of it is undone."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest

from fixtures.connect.database import SUPERUSER
from fixtures.errors import Refused, StepFailed
from fixtures.facts import server as facts
from fixtures.facts.catalogue import SUBSCRIPTIONS
from fixtures.facts.fact import ask
from fixtures.facts.roles import ENTRANTS, RULES, STALE, logins
from fixtures.facts.watches import Strangers
from fixtures.policy import entrants, hba
from steps.tools import fence
from tests.servers import Local, running

ROLES = """
CREATE ROLE owner LOGIN PASSWORD 'p'; CREATE DATABASE app OWNER owner; CREATE DATABASE other;
CREATE ROLE reader LOGIN PASSWORD 'p'; CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'p';
CREATE ROLE "Odd-Name" LOGIN CREATEROLE PASSWORD 'p'; CREATE ROLE member LOGIN NOINHERIT PASSWORD 'p'; GRANT owner TO member;
CREATE ROLE standby LOGIN REPLICATION PASSWORD 'p'; CREATE ROLE watched LOGIN REPLICATION PASSWORD 'p'; GRANT pg_monitor TO watched;
CREATE ROLE writing LOGIN REPLICATION PASSWORD 'p'; CREATE ROLE climbing LOGIN REPLICATION PASSWORD 'p'; GRANT owner TO climbing;
CREATE ROLE nobody_yet NOLOGIN; CREATE ROLE elsewhere LOGIN PASSWORD 'p'
"""
APP = """
REVOKE CONNECT ON DATABASE app FROM PUBLIC;
GRANT CONNECT ON DATABASE app TO reader, "Odd-Name", member, standby, watched, writing, climbing;
CREATE TABLE t (id serial PRIMARY KEY, secret text); GRANT UPDATE (secret) ON t TO writing; ALTER TABLE t OWNER TO owner;
CREATE SUBSCRIPTION rested CONNECTION 'host=127.0.0.1 port=1 dbname=gone' PUBLICATION p WITH (connect = false);
CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port={port} user=standby password=p dbname=other' PUBLICATION p
  WITH (create_slot = false, copy_data = false)
"""
OTHER = """
CREATE TABLE t (id serial PRIMARY KEY, secret text); GRANT SELECT ON t TO standby; CREATE PUBLICATION p FOR TABLE t;
SELECT pg_create_logical_replication_slot('feed', 'pgoutput')
"""
HELD = ["Odd-Name", "boss", "climbing", "member", "owner", "reader", "writing"]


@pytest.fixture(scope="module", params=[13, 15, 17])
def server(request):
    directory = Path(tempfile.mkdtemp())  # pytest's own are closed to the user postgres
    directory.chmod(0o755)
    with running(
        request.param, directory / "pg", settings=("max_prepared_transactions=2", "wal_level=logical")
    ) as made:
        made.run("psql", "-Xqv", "ON_ERROR_STOP=1", stdin=ROLES.encode())
        made.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", "other", stdin=OTHER.encode())
        made.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", "app", stdin=APP.format(port=made.port).encode())
        yield made
    shutil.rmtree(directory)


@pytest.fixture
def db(server):
    with closing(Local(server)) as made:
        yield made


@pytest.fixture
def rules(server):
    """pg_hba.conf, which is as it was at the end."""
    file = server.directory / "data/pg_hba.conf"
    before = file.read_bytes()
    yield file
    assert file.read_bytes() == before
    assert not [one.name for one in file.parent.iterdir() if "gonogo" in one.name]


def closing_(db, plan):
    """What closing records before it changes anything."""
    found = ask(db, ENTRANTS)
    held = entrants.held_roles(found, entrants.spared(found, plan, SUPERUSER))
    feeding = [name for name, on in ask(db, SUBSCRIPTIONS).items() if on]
    return dict.fromkeys(held, True), {"file": fence.rules_file(db.host, db), "subscriptions": feeding}


def log_in(server, role, dbname="app", host="127.0.0.1"):
    return psycopg2.connect(host=host, port=server.port, user=role, password="p", dbname=dbname, connect_timeout=5)


def test_everybody_who_may_connect_is_held_but_a_short_list(db, plan):
    found = ask(db, ENTRANTS)
    kept = entrants.spared(found, plan, SUPERUSER)
    assert sorted(kept) == ["postgres", "standby", "watched"]
    assert entrants.held_roles(found, kept) == HELD
    spare = plan.model_copy(update={"cutover": plan.cutover.model_copy(update={"spare_roles": ["reader"]})})
    assert "cutover.spare_roles" in entrants.spared(found, spare, SUPERUSER)["reader"]
    assert "reader" not in entrants.held_roles(found, entrants.spared(found, spare, SUPERUSER))


def test_nobody_gets_in_or_stays_and_all_is_undone(server, db, plan, rules):
    assert ask(db, SUBSCRIPTIONS) == {"feed": True, "rested": False}
    text, roles = rules.read_text(), ask(db, logins([*HELD, "nobody_yet", "elsewhere", "standby"]))
    held, rest = closing_(db, plan)
    named = psycopg2.connect(
        host=server.sockets, port=server.port, user="postgres", dbname="app", application_name="gonogo"
    )
    sessions = [named, log_in(server, "owner"), log_in(server, "boss")]
    apart = log_in(server, "elsewhere", "other")
    open_transaction = sessions[1].cursor()
    open_transaction.execute("INSERT INTO t (secret) VALUES ('half')")
    own = db.begin("SELECT pg_backend_pid()").result()

    fence.fence(db.host, db, held, **rest)

    assert db.begin("SELECT pg_backend_pid()").result() == own, "our own session is the one of before"
    for session in sessions:
        with pytest.raises(psycopg2.Error), session.cursor() as cursor:
            cursor.execute("SELECT 1")
    with apart.cursor() as cursor:
        cursor.execute("SELECT 1")  # another database is not this fence's
    assert ask(db, Strangers("app")) == []
    assert ask(db, SUBSCRIPTIONS) == {"feed": False, "rested": False}
    assert hba.other_ways_in(ask(db, RULES), "app", SUPERUSER) == []
    assert not ask(db, STALE)
    for role in (*HELD, "standby", "watched"):
        for host in ("127.0.0.1", server.sockets):
            with pytest.raises(psycopg2.OperationalError, match=r"pg_hba\.conf rejects"):
                log_in(server, role, host=host)
    with pytest.raises(psycopg2.OperationalError, match=r"pg_hba\.conf rejects"):
        log_in(server, "postgres")
    with pytest.raises(psycopg2.OperationalError, match=r"peer|Peer"):
        server.connect("app")  # our role, but not as the system's user of that name
    with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
        log_in(server, "boss", "other")
    log_in(server, "standby", "other").close()
    assert [one.name for one in ask(db, ENTRANTS)] == ["postgres", "standby", "watched"]
    db.execute("INSERT INTO t (secret) VALUES ('ours')")
    again, more = closing_(db, plan)
    assert (again, more["subscriptions"]) == ({}, [])
    fence.fence(db.host, db, held, **rest)  # an attempt that was interrupted is done again

    for _ in range(2):
        fence.unfence(db.host, db, held, **rest)
        assert rules.read_text() == text
        assert ask(db, logins([*HELD, "nobody_yet", "elsewhere", "standby"])) == roles
        assert ask(db, SUBSCRIPTIONS) == {"feed": True, "rested": False}
        log_in(server, "owner").close()
    apart.close()


def test_a_session_that_comes_again_and_again_is_kept_out(server, db, plan, rules):
    held, rest = closing_(db, plan)
    going, tried = threading.Event(), []

    def knock():
        while not going.is_set():
            with suppress(psycopg2.Error):
                tried.append(log_in(server, "owner"))

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        while not tried:
            time.sleep(0.01)
        fence.fence(db.host, db, held, **rest)
        seen = [ask(db, facts.inside("app")) for _ in range(20)]
    finally:
        going.set()
        thread.join()
    fence.unfence(db.host, db, held, **rest)
    own = db.backends()
    assert [[one for one in look if one.pid not in own] for look in seen] == [[]] * 20


def test_a_subscription_brings_nothing_until_it_is_undone(db, plan, rules):
    def arrives(number):
        db.execute("INSERT INTO t VALUES (%s, 'fed')", (number,), dbname="other")
        until = time.monotonic() + 10
        while not (found := db.value("SELECT count(*) FROM t WHERE id = %s", (number,))) and time.monotonic() < until:
            if not ask(db, SUBSCRIPTIONS)["feed"]:
                break
            time.sleep(0.05)
        return found == 1

    held, rest = closing_(db, plan)
    assert arrives(1001)
    fence.fence(db.host, db, held, **rest)
    assert not arrives(1002)
    assert [one.kind for one in ask(db, facts.inside("app")) if one.pid not in db.backends()] == []
    fence.unfence(db.host, db, held, **rest)
    assert arrives(1003)
    assert db.value("SELECT count(*) FROM t WHERE id = 1002") == 1, "what came meanwhile is not lost"


def test_what_is_gone_meanwhile_holds_up_no_way_back(server, db, plan, rules):
    held, rest = closing_(db, plan)
    fence.fence(db.host, db, {**held, "gone": True}, **rest)
    fence.unfence(
        db.host, db, {**held, "gone": True}, file=rest["file"], subscriptions=[*rest["subscriptions"], "gone"]
    )
    log_in(server, "owner").close()


def test_without_a_file_no_rules_are_changed(server, db, plan, rules):
    text = rules.read_text()
    fence.fence(db.host, db, {"owner": True})
    assert rules.read_text() == text
    with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
        log_in(server, "owner")
    fence.unfence(db.host, db, {"owner": True})
    log_in(server, "owner").close()


def test_rules_that_would_shut_us_out_are_taken_back(server, db, plan, rules, monkeypatch):
    _, rest = closing_(db, plan)
    for lines, words in (
        (['local "app" all reject', 'host "app" all all reject'], "could not log in ourselves"),
        (["local app all rejekt"], "invalid authentication method"),
        (['local "app" "postgres" peer', 'local "app" all reject'], "host all all"),
    ):
        monkeypatch.setattr(hba, "closed_to_all_but", lambda *_, given=lines: given)
        text = rules.read_text()
        with pytest.raises(StepFailed, match=words):
            fence.fence(db.host, db, {"owner": True}, **rest)
        assert rules.read_text() == text
        assert not ask(db, STALE)
        log_in(server, "owner").close()


def test_rules_that_cannot_be_put_in_are_refused_before_anything(server, db, rules):
    before = rules.read_bytes()

    def changed_to(content):
        rules.write_bytes(content)
        later = time.time() + 60
        os.utime(rules, (later, later))

    changed_to(before + b"local all all rejekt\n")
    with pytest.raises(
        Refused, match=r'invalid authentication method "rejekt"; it was changed since the server loaded it'
    ):
        fence.rules_file(db.host, db)
    # An edit of ours that was never loaded is no stranger's.
    changed_to(b"# BEGIN gonogo closed database\n# END gonogo closed database\n" + before)
    assert fence.rules_file(db.host, db) == "/mnt/data/pg_hba.conf"
    rules.write_bytes(before)
    subprocess.run(["mount", "--bind", rules, rules], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", rules], check=True)
        with pytest.raises(Refused, match=r"pg_hba\.conf cannot be written: .*; .*pg_hba\.conf is mounted by itself"):
            fence.rules_file(db.host, db)
    finally:
        subprocess.run(["umount", rules], check=True)


LSATTR = """#!/bin/sh
case "$3" in */fixed) echo "----i---------e------- $3" ;; */log) echo "-----a--------e------- $3" ;; *) echo "--------------e------- $3" ;; esac
"""


@pytest.mark.parametrize(
    ("name", "mounts", "found"),
    [
        ("pg_hba.conf", ["1 0 8:1 / / rw - ext4 /dev/a rw"], []),
        ("fixed", ["1 0 8:1 / / rw - ext4 /dev/a rw"], ["{}/fixed is made immutable (chattr +i)"]),
        ("log", ["1 0 8:1 / / rw - ext4 /dev/a rw"], ["{}/log can only be appended to (chattr +a)"]),
        ("pg_hba.conf", ["1 0 8:1 / / ro - ext4 /dev/a rw", "2 1 8:2 / {} rw - ext4 /dev/b rw"], []),
        ("pg_hba.conf", ["1 0 8:1 / / rw - ext4 /dev/a rw", "2 1 8:2 / {} rw - ext4 /dev/b ro"], ["{} is mounted read-only"]),
        ("pg_hba.conf", ["1 0 8:1 / / rw - ext4 /dev/a rw", "2 1 8:2 / {}/pg_hba.conf rw - ext4 /dev/b rw"],
         ["{}/pg_hba.conf is mounted by itself"]),
        ("pg_hba.conf", ["1 0 8:1 / / rw - ext4 /dev/a rw", "2 1 8:2 / {}/pg ro - ext4 /dev/b ro"], []),
        ("absent", [], ["there is no such file"]),
    ],
)  # fmt: skip
def test_what_keeps_a_file_from_being_replaced_is_seen_without_writing(tmp_path, name, mounts, found):
    place = tmp_path.resolve() / "a b"
    (tmp_path / "bin").mkdir()
    place.mkdir()
    for one in ("pg_hba.conf", "fixed", "log"):
        (place / one).touch()
    (tmp_path / "bin/lsattr").write_text(LSATTR)
    (tmp_path / "bin/lsattr").chmod(0o755)
    (tmp_path / "mounts").write_text(
        "".join(f"{line.format(str(place).replace(' ', chr(92) + '040'))}\n" for line in mounts)
    )
    command = [*fence._LOOKS_EDITABLE, place / name, tmp_path / "mounts"]
    env = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [line.format(place) for line in found]


def test_on_a_host_where_nothing_may_be_written_the_rules_are_looked_at(db, rules):
    db.host.read_only = True
    try:
        assert fence.rules_file(db.host, db) == "/mnt/data/pg_hba.conf"
    finally:
        db.host.read_only = False


def test_who_stays_as_the_superuser_is_found(server, db, monkeypatch):
    with closing(server.connect("app")) as exporter, closing(log_in(server, "boss")):
        assert ask(db, facts.staying("app", "postgres")) == [], "nobody has stayed for long yet"
        monkeypatch.setattr(facts, "_STAYING", facts._STAYING.replace("30 s", "0 s"))
        assert exporter.info.backend_pid in [one.pid for one in ask(db, facts.staying("app", "postgres"))]
        assert {one.role for one in ask(db, facts.staying("app", "postgres"))} == {"postgres"}


def test_a_prepared_transaction_is_refused(server, db):
    session = server.connect("app")
    session.autocommit = True
    with closing(session), session.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO t (secret) VALUES ('x'); PREPARE TRANSACTION 'waits'")
        with pytest.raises(Refused, match=r"found: +1"):
            fence.refuse_prepared(db)
        cursor.execute("ROLLBACK PREPARED 'waits'")
    fence.refuse_prepared(db)
