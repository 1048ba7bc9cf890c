"""Facts of whole databases, on real servers: read once for all checks, kept as they were, broken off with the gate."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

from checks import check_comparisons, check_data, check_final_copy, check_sequences
from fixtures.connect.sessions import Session
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Comparison, load_plan
from fixtures.plugin.gathering import Gathering
from fixtures.plugin.recorded import Recorded
from fixtures.run.evidence import now
from fixtures.run.journal import TargetOpened
from fixtures.run.records import BeforeJourneys, DataCopy
from fixtures.run.run import new_run
from fixtures.sameness import catalog, collations, pinned, proofs, schema
from fixtures.sameness.digest import keep_digest
from fixtures.sameness.proofs import PinnedFact, databases_open
from fixtures.sameness.reading import Reading
from fixtures.sameness.tables import LARGE_OBJECTS
from steps.rehearse import application
from tests.unit.example import EXAMPLE

TABLES = ("public.slips", "public.people")
COMPARISON = Comparison(name="sum", query="SELECT sum(net) FROM public.slips", show=True)
FILLED = """
CREATE TABLE slips (id serial PRIMARY KEY, net numeric); CREATE TABLE people (id int PRIMARY KEY, name text);
INSERT INTO slips (net) SELECT g FROM generate_series(1, 500) g; INSERT INTO people VALUES (1, 'Zoë');
SELECT lo_from_bytea(4711, 'x');
"""


class Direct:
    """A database by its socket, with as much of `Database` as facts need."""

    def __init__(self, server, name, dbname):
        self.server, self.dbname, self.host, self.sessions = server, dbname, SimpleNamespace(name=name), []

    def connect(self, *, statement_timeout=60.0):
        options = f"-c statement_timeout={round(statement_timeout * 1000)} -c default_transaction_read_only=on"
        self.sessions.append(
            psycopg2.connect(
                host=self.server.sockets,
                port=self.server.port,
                user="postgres",
                dbname=self.dbname,
                options=options,
                connection_factory=Session,
            )
        )
        return self.sessions[-1]

    def run(self, statements):
        self.server.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", self.dbname, stdin=statements.encode())


@pytest.fixture
def databases(server15):
    made = [Direct(server15, *names) for names in (("source", "proof_old"), ("target", "proof_new"))]
    for db in made:
        server15.run("psql", "-Xqc", f"CREATE DATABASE {db.dbname} TEMPLATE template0")
        db.run(FILLED)
    yield made
    for db in made:
        server15.run("psql", "-Xqc", f"DROP DATABASE {db.dbname} WITH (FORCE)")


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_bytes(EXAMPLE.read_bytes())
    return load_plan(tmp_path / "plan.toml")


@pytest.fixture
def run(plan, tmp_path, databases):
    """A run that has copied the database."""
    made = new_run(plan, tmp_path / "runs")
    with closing(Reading("production", databases[0].connect, connections=2)) as reading:
        tables = {name: keep_digest(made.directory, digest) for name, digest in reading.digests().items()}
        large = tables.pop(LARGE_OBJECTS)
        made.record(
            DataCopy(
                final=True, snapshot="s", source_identifier="1", target_identifier="2", tables=tables,
                sequences=catalog.read_sequences(reading.session), sequences_after={}, large_objects=1,
                large_objects_digest=large.digest,
                comparisons=proofs_of_comparison(reading.session),
            )
        )  # fmt: skip
    return made


def proofs_of_comparison(session):
    return {COMPARISON.name: proofs.read_comparison(session, COMPARISON)}


def items():
    """Every check that compares with the copy's record."""
    per_table = (
        check_data.check_row_counts_match,
        check_data.check_rows_match,
        check_final_copy.check_production_still_equals_the_copy,
    )
    whole = (
        check_data.check_large_objects_match,
        check_sequences.check_sequences_match,
        check_sequences.check_sequences_are_ahead,
        check_final_copy.check_production_sequences_still_equal_the_copy,
    )
    given = [(function, {"table": table}) for function in per_table for table in TABLES]
    given += [(function, {}) for function in whole]
    given.append((check_comparisons.check_comparison_matches, {"comparison": COMPARISON}))
    return [
        SimpleNamespace(
            nodeid=f"{function.__name__}{params}", function=function, callspec=SimpleNamespace(params=params)
        )
        for function, params in given
    ]


class Request:
    """Hands out the open sides, or what kept them from being opened."""

    def __init__(self, sides):
        self.sides = sides

    def getfixturevalue(self, name):
        assert name == "sides"
        return self.sides()


def judged(gathering, plan, run, sides):
    """What becomes of each check: go, or the class of its error and the error."""
    found = {}
    checks = items()
    gathering.begin(checks)
    for check in checks:
        names = check.function.__code__.co_varnames[: check.function.__code__.co_argcount]
        handed = {"copied": run.records(DataCopy), "plan": plan, "run": run, "request": Request(sides)}
        try:
            params = check.callspec.params | {name: handed[name] for name in names if name in handed}
            check.function(**params, **gathering.values(check))
            found[check.nodeid] = "go"
        except (NoGo, CouldNotVerify) as error:
            found[check.nodeid] = error
    gathering.close()
    return found


def gate(plan, run, databases, say=lambda _: None):
    """A gate: its verdicts and readings."""
    connections = SimpleNamespace(plan=plan, run=run, source_db=databases[0], target_db=databases[1])
    gathering = Gathering(connections)
    with databases_open(say):
        found = judged(gathering, plan, run, lambda: proofs.both_sides(plan, run, *databases))
    return found, [one.model_validate_json(one.model_dump_json()) for one in gathering.readings]


def replayed(plan, run, readings):
    """The same from readings alone."""
    recorded = Recorded(plan, run, readings)
    return judged(Gathering(recorded), plan, run, lambda: recorded.source_db)


def texts(found):
    return {name: error if error == "go" else (type(error).__name__, str(error)) for name, error in found.items()}


def test_equal_databases_are_go_and_each_table_is_read_once(databases, plan, run, monkeypatch):
    original, read = Reading.digest, []

    def digest(self, name):
        read.append((self.name, name))
        return original(self, name)

    monkeypatch.setattr(Reading, "digest", digest)
    for db in databases:
        db.sessions.clear()
    found, readings = gate(plan, run, databases)
    for db in databases:
        assert len(db.sessions) <= 1 + plan.proof.connections + 1, "sshd's MaxSessions bounds them"
    assert texts(found) == dict.fromkeys(found, "go")
    expected = [(side, table) for side in ("production", "the target") for table in (*TABLES, LARGE_OBJECTS)]
    assert sorted(read) == sorted(expected)
    assert all(session.closed for db in databases for session in db.sessions)
    assert not (run.directory / "proof" / "target").exists(), "the proof came to its end"
    assert texts(replayed(plan, run, readings)) == texts(found)


def test_a_lost_row_is_named_and_a_replay_is_no_go_too(databases, plan, run):
    databases[1].run("DELETE FROM slips WHERE id = 7")
    found, readings = gate(plan, run, databases)
    wrong = {name: error for name, error in found.items() if error != "go"}
    assert {type(error) for error in wrong.values()} == {NoGo}
    counts = wrong.pop("check_row_counts_match{'table': 'public.slips'}")
    assert (counts.expected.partition(",")[0], counts.found) == ("500", "499")
    rows = wrong.pop("check_rows_match{'table': 'public.slips'}")
    assert "id = '7': missing on the target" in rows.found
    assert "content of public.slips on the target" in str(rows)
    assert list(wrong) == [name for name in found if "comparison" in name]
    again = replayed(plan, run, readings)
    assert {name for name, error in again.items() if error != "go"} == {
        name for name, error in found.items() if error != "go"
    }
    same = again["check_rows_match{'table': 'public.slips'}"]
    assert isinstance(same, NoGo)
    assert "which rows differ could not be found out" in same.found


def test_a_write_behind_the_fence_is_no_go(databases, plan, run):
    databases[0].run("INSERT INTO slips (net) VALUES (1)")
    found, readings = gate(plan, run, databases)
    wrong = [name.partition("{")[0] for name, error in found.items() if isinstance(error, NoGo)]
    assert wrong == ["check_production_still_equals_the_copy", "check_production_sequences_still_equal_the_copy"]
    assert texts(replayed(plan, run, readings)) == texts(found)


def test_tables_that_are_absent_or_have_other_columns_are_told_by_their_own_checks(databases, plan, run):
    databases[1].run("DROP TABLE people; ALTER TABLE slips ADD broken int;")
    databases[0].run("DROP TABLE people")
    found, readings = gate(plan, run, databases)
    assert isinstance(found["check_row_counts_match{'table': 'public.people'}"], NoGo)
    absent = found["check_production_still_equals_the_copy{'table': 'public.people'}"]
    assert isinstance(absent, CouldNotVerify)
    assert absent.found == "no such table"
    assert found["check_row_counts_match{'table': 'public.slips'}"] == "go"
    assert isinstance(found["check_rows_match{'table': 'public.slips'}"], NoGo)
    assert found["check_large_objects_match{}"] == "go"
    assert {name for name, error in replayed(plan, run, readings).items() if error == "go"} == {
        name for name, error in found.items() if error == "go"
    }


def test_rows_that_cannot_be_read_could_not_be_verified_then_and_in_a_replay(databases, plan, run, monkeypatch):
    original = Reading.digest

    def digest(self, name):
        if name == "public.people":
            raise CouldNotVerify("public.people", expected="every row", found="a broken page", remedy="mend it")
        return original(self, name)

    monkeypatch.setattr(Reading, "digest", digest)
    found, readings = gate(plan, run, databases)
    monkeypatch.undo()
    wrong = {name: error for name, error in found.items() if error != "go"}
    assert len(wrong) == 3
    for error in wrong.values():
        assert isinstance(error, CouldNotVerify)
        assert (error.subject, error.expected, error.found, error.remedy) == (
            "public.people", "every row", "a broken page", "mend it"
        )  # fmt: skip
    assert texts(replayed(plan, run, readings)) == texts(found)


def test_once_the_target_was_opened_production_is_compared_instead(databases, plan, run):
    run.journal(TargetOpened(at=now()))
    databases[1].run("DELETE FROM slips; SELECT lo_unlink(4711); ALTER SEQUENCE slips_id_seq RESTART WITH 9000")
    found, readings = gate(plan, run, databases)
    assert texts(found) == dict.fromkeys(found, "go")
    assert not any("RowsFact" in one.question for one in readings if one.connection == "target_db")
    databases[0].run("DELETE FROM slips WHERE id = 7")
    found, _ = gate(plan, run, databases)
    assert "on production" in str(found["check_rows_match{'table': 'public.slips'}"])


def test_what_a_login_writes_is_judged_by_what_was_there_before_it(databases, plan, run):
    smoke = plan.smoke.model_copy(update={"writes": ["public.slips"]})
    plan = plan.model_copy(update={"smoke": smoke})
    application.note_what_journeys_write(plan, run, databases[1])
    databases[1].run("INSERT INTO slips (net) VALUES (1)")
    found, readings = gate(plan, run, databases)
    comparison = next(name for name in found if "comparison" in name)
    assert {name for name, error in found.items() if error != "go"} <= {comparison}, (
        "a query of the business counts them"
    )
    assert texts(replayed(plan, run, readings)) == texts(found)
    databases[1].run("DELETE FROM people")
    found, _ = gate(plan, run, databases)
    wrong = found["check_rows_match{'table': 'public.people'}"]
    assert isinstance(wrong, NoGo), "it may write to no other table"
    assert "name the table in smoke.writes" in wrong.remedy


def test_rows_that_were_wrong_before_any_login_stay_wrong(databases, plan, run):
    databases[1].run("DELETE FROM slips WHERE id = 7; ALTER SEQUENCE slips_id_seq RESTART WITH 9000")
    smoke = plan.smoke.model_copy(update={"writes": ["public.slips", "public.none"]})
    plan = plan.model_copy(update={"smoke": smoke})
    application.note_what_journeys_write(plan, run, databases[1])
    databases[1].run("INSERT INTO slips VALUES (7, 7); ALTER SEQUENCE slips_id_seq RESTART WITH 501")
    found, _ = gate(plan, run, databases)
    wrong = {name: error for name, error in found.items() if isinstance(error, NoGo)}
    rows = wrong["check_rows_match{'table': 'public.slips'}"]
    assert "the target, before its application was started" in rows.subject
    assert "check_sequences_match{}" in wrong
    noted = run.records(BeforeJourneys)
    application.note_what_journeys_write(plan, run, databases[1])
    again = run.records(BeforeJourneys)
    assert (again.tables, again.sequences) == (noted.tables, noted.sequences), "what is noted is not read again"
    copied = run.records(DataCopy)
    run.record(copied.model_copy(update={"snapshot": "of another copy"}))
    assert proofs.before_journeys(run) is None


def test_production_is_read_with_its_brake(databases, plan, run):
    with databases_open(lambda _: None):
        production, target = proofs.both_sides(plan, run, *databases)
        assert (production.name, target.name) == ("production", "the target")
        assert production.reading._brake is not None
        assert target.reading._brake is None
        assert production.reading._connections == plan.proof.connections


def test_a_gate_that_is_broken_off_ends_at_once_and_what_was_read_stays(databases, plan, run, monkeypatch):
    monkeypatch.setattr("fixtures.sameness.ledger.SAVE_SECONDS", 0.0)
    fact = proofs.rows_of(plan, run, "public.slips")
    monkeypatch.setattr("fixtures.sameness.reading.TOGETHER", 0)  # the one that is locked is read by itself
    # Workers of xdist keep nothing of a proof; this test is about what is kept.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # The server's own tidying would make it another moment, and then nothing is kept.
    monkeypatch.setattr("fixtures.sameness.ledger._MOMENT", "SELECT 'this moment'")
    with closing(psycopg2.connect(host=databases[1].server.sockets, port=databases[1].server.port,
                                  user="postgres", dbname="proof_new")) as other, ThreadPoolExecutor(1) as pool:  # fmt: skip
        with other.cursor() as cursor, databases_open(lambda _: None):
            assert proofs.rows_of(plan, run, "public.people").put(databases[1]).copy.rows == 1
            cursor.execute("LOCK TABLE public.slips")
            waiting = fact.begin(databases[1], pool)
            time.sleep(0.3)
            assert not waiting.done()
            begun = time.monotonic()
        assert time.monotonic() - begun < 20
        with pytest.raises(CouldNotVerify):
            waiting.result(5)
    assert list((run.directory / "proof" / "target").glob("*.json"))
    for late in (lambda: fact.put(databases[1]), lambda: proofs.LOCALE.put(databases[1])):
        with pytest.raises(CouldNotVerify, match="broken off"):
            late()
    said = []
    with databases_open(said.append):
        assert fact.put(databases[1]).copy.rows == 500
    assert "the proof goes on" in said[0] or "the proof begins anew" in said[0]
    assert not (run.directory / "proof" / "target").exists()


def broken(session):
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def closing_it(session) -> int:
    session.close()
    return 1


def limit_of(session) -> str:
    with session.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchall()[0][0])


def settings(session) -> dict[str, str]:
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT lower(name), setting FROM pg_settings WHERE lower(name) = ANY(%s)", (list(pinned.PINNED),)
        )
        return dict(cursor.fetchall())


def test_pinned_facts_share_a_session_and_one_that_fails_is_alone(databases):
    db = databases[0]
    with databases_open(lambda _: None):
        assert PinnedFact(settings).put(db) == pinned.PINNED
        with pytest.raises(CouldNotVerify) as told:
            PinnedFact(broken).put(db)
        assert (told.value.subject, told.value.found) == ("broken on the source", "division by zero")
        assert proofs.LOCALE.put(db)["encoding"] == "UTF8"
        assert len(db.sessions) == 1
        PinnedFact(closing_it).put(db)
        assert proofs.USED_COLLATIONS.put(db) == []
        assert proofs.SEQUENCES_BEHIND.put(db) == []
        assert len(db.sessions) == 2, "a new one after it was closed"
        assert PinnedFact(limit_of, limit=3600).put(db) == "1h"
        assert PinnedFact(limit_of).put(db) == "1min"
    assert all(session.closed for session in db.sessions)


def test_every_answer_comes_back_from_json(databases, plan, run):
    db = databases[0]
    facts = [
        proofs.VERSION, proofs.GRANTS, proofs.LOCALE, proofs.STALE_COLLATIONS, proofs.USED_COLLATIONS,
        proofs.SEQUENCES_BEHIND, proofs.words_by(["pg_catalog.\"C\""]), proofs.rows_of(plan, run, "public.slips"),
        proofs.rows_of(plan, run, "public.none"), proofs.sequences(plan, run), proofs.sequences_of(plan, run, ("public.slips",)),
        proofs.large_objects(plan, run),
        proofs.comparison_of(plan, run, COMPARISON), *(proofs.schema_of(kind, 150000, 170000) for kind in schema.KINDS),
    ]  # fmt: skip
    assert len({fact.key for fact in facts}) == len(facts)
    with databases_open(lambda _: None):
        for fact in facts:
            answer = fact.put(db)
            assert fact.of_json(json.loads(json.dumps(fact.as_json(answer)))) == answer
            assert type(fact.of_json(fact.as_json(answer))) is type(answer)
            assert fact.title(db).endswith("on the source")
        found = proofs.sequences(plan, run).put(db)
        assert found == {"public.slips_id_seq": (500, True)}
        assert proofs.large_objects(plan, run).put(db) == 1
        assert proofs.comparison_of(plan, run, COMPARISON).put(db).shown == ["(125250)"]
        words = proofs.words_by(['pg_catalog."C"']).put(db)
        assert list(words) == [collations.DEFAULT, 'pg_catalog."C"']
