"""Closing production on a real server, and the way back: what is recorded before, what is done, and what is undone."""

import json
import shutil
import socket
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.facts.fact import HostFact, ask
from fixtures.facts.roles import logins
from fixtures.plan import Plan
from fixtures.plan import Server as PackServer
from fixtures.policy.standstill import moved
from fixtures.run.journal import SourceClosed, SourceReopened
from fixtures.run.records import Counters, SourceClosure, Standstill
from fixtures.run.run import Run
from steps.back_out import back_out
from steps.night import cutover
from steps.rehearse import redis
from steps.tools import fence, maintenance
from tests.servers import Local, Server, running
from tests.unit.steps.target import SURVEY

ROLES = """
CREATE ROLE payroll LOGIN PASSWORD 'p'; CREATE ROLE reporting LOGIN PASSWORD 'p'; CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'p';
CREATE ROLE standby LOGIN REPLICATION; CREATE DATABASE payroll_prod OWNER payroll
"""
FILLED = "CREATE TABLE slips (id serial PRIMARY KEY, net numeric); ALTER TABLE slips OWNER TO payroll"


@pytest.fixture(scope="module")
def server():
    directory = Path(tempfile.mkdtemp())  # pytest's own are closed to the user postgres
    directory.chmod(0o755)
    with running(15, directory / "pg") as made:
        made.run("psql", "-Xqv", "ON_ERROR_STOP=1", stdin=ROLES.encode())
        made.run("psql", "-Xqv", "ON_ERROR_STOP=1", "-d", "payroll_prod", stdin=FILLED.encode())
        yield made
    shutil.rmtree(directory)


@pytest.fixture
def db(server, tmp_path, plan, monkeypatch):
    """Production's database; on its host nothing but files below a directory is touched, no unit runs, and `shown` is what nginx does."""
    with closing(Local(server, "payroll_prod")) as made:
        made.host.places |= {"/var/lib/gonogo": f"{tmp_path}/gonogo", "/home/payroll": f"{tmp_path}/home"}
        made.states = {}
        of = lambda units: [made.states.get(unit, "inactive") for unit in units]  # noqa: E731
        monkeypatch.setattr(cutover, "states", lambda *units: HostFact(("echo", *of(units)), str.split))
        made.host.file = lambda path: SimpleNamespace(exists=Path(moved_to(made, path)).exists())
        made.host.address = "production.example.test"
        (tmp_path / "home/shared/uploads").mkdir(parents=True)
        for module, name in ((cutover, "hold_units"), (cutover, "drain"), (redis, "await_drained")):
            monkeypatch.setattr(module, name, lambda *_: None)
        monkeypatch.setattr(back_out, "running_units", lambda *_: [])
        monkeypatch.setattr(back_out, "start_web", lambda _: None)  # nothing here was booted by systemd
        site = SimpleNamespace(master=SimpleNamespace(main="/etc/nginx/nginx.conf"))
        monkeypatch.setattr(maintenance, "prepare", lambda *_, as_it_lies: made.as_it_lies.append(as_it_lies) or site)
        made.shown, made.as_it_lies = [], []
        monkeypatch.setattr(maintenance, "shut", lambda host, site, page: made.shown.append(page))
        monkeypatch.setattr(maintenance, "reopen", lambda host, main: made.shown.append(main))
        yield made


def moved_to(db, path):
    for word, place in db.host.places.items():
        path = path.replace(word, place)
    return path


def close(plan, run, db):
    cutover.close_source.function(plan, run, db.host, db)


def open_again(plan, run, db):
    connections: Any = SimpleNamespace(
        plan=plan, run=run, open_source=db.host, open_source_db=db,
        web=SimpleNamespace(get=lambda *_: SimpleNamespace(status_code=200)),
    )  # fmt: skip
    back_out._open_production(connections)


def closure_on_production(db) -> dict[str, Any]:
    return json.loads(Path(moved_to(db, str(cutover.CLOSURE))).read_text())


def log_in(server: Server, role: str):
    return psycopg2.connect(host="127.0.0.1", port=server.port, user=role, password="p", dbname="payroll_prod")


HERE = SimpleNamespace(check=lambda argv: subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def served_at(plan: Plan, *listens: object) -> Plan:
    servers = [PackServer(unit="app.service", listens=list(listens))]
    return plan.model_copy(update={"application": plan.application.model_copy(update={"servers": servers})})


def test_the_drain_waits_for_requests_at_ports_and_sockets_of_the_pack(plan: Plan, tmp_path: Path) -> None:
    path, other = tmp_path / "app.sock", tmp_path / "app.sock2"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as third,
    ):
        unix.bind(str(path))
        third.bind(str(other))
        unix.listen()
        third.listen()
        port = tcp.getsockname()[1]
        for place, where, listener in ((port, ("127.0.0.1", port), tcp), (str(path), str(path), unix)):
            asked = served_at(plan, place)
            assert not cutover.at_work(HERE, asked)
            with socket.socket(listener.family) as user:
                user.connect(where)
                accepted, _ = listener.accept()
                with accepted:
                    assert cutover.at_work(HERE, asked)
                    assert not cutover.at_work(HERE, served_at(plan, 1, str(other)))
    assert not cutover.at_work(HERE, served_at(plan))


def test_production_is_closed_and_opened_as_it_was(server: Server, db: Local, plan: Plan, run: Run) -> None:
    run.record(SURVEY)
    rules = server.directory / "data/pg_hba.conf"
    before, could = rules.read_bytes(), ask(db, logins(["payroll", "reporting", "boss", "standby"]))
    user = log_in(server, "payroll")
    close(plan, run, db)

    with pytest.raises(psycopg2.Error), user.cursor() as cursor:
        cursor.execute("INSERT INTO slips (net) VALUES (1)")
    with pytest.raises(psycopg2.OperationalError, match=r"pg_hba\.conf rejects"):
        log_in(server, "boss")
    closure = run.records(SourceClosure)
    assert closure.logins == {"boss": True, "payroll": True, "reporting": True}
    assert closure.hba_file == "/mnt/data/pg_hba.conf"
    assert closure.nginx_main == "/etc/nginx/nginx.conf"
    proof = {"run": run.name, "machine_id": SURVEY.machine_id, "system_identifier": SURVEY.system_identifier}
    assert closure_on_production(db) == {**closure.model_dump(mode="json"), **proof}
    assert Path(moved_to(db, str(cutover.CLOSURE))).stat().st_mode & 0o077 == 0
    (entry,) = [one for one in run.entries() if isinstance(one, SourceClosed)]
    assert entry.roles == ["boss", "payroll", "reporting"]
    assert list(entry.spared) == ["postgres", "standby"]
    assert "gonogo's own" in entry.spared["postgres"]
    still = run.records(Standstill)
    assert moved(still.counters, ask(db, cutover.COUNTERS)) == []
    assert float(still.uploads[str(plan.files[0].path)]) > 0

    close(plan, run, db)  # an attempt that was interrupted is done again, and forgets nothing
    assert run.records(SourceClosure).logins == closure.logins
    assert len([one for one in run.entries() if isinstance(one, SourceClosed)]) == 1

    for _ in range(2):
        open_again(plan, run, db)
        assert rules.read_bytes() == before
        assert ask(db, logins(list(could))) == could
        log_in(server, "payroll").close()
    assert run.happened(SourceReopened)
    assert ["since" in page for page in db.shown[:2]] == [True, True], "nginx shows the page"
    assert db.shown[2:] == ["/etc/nginx/nginx.conf"] * 2, "and serves again"
    assert db.as_it_lies == [False, True], "what was changed by somebody is refused before the first attempt alone"


def test_a_unit_that_is_about_to_run_again_is_started_by_a_back_out_too(
    db: Local, plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.record(SURVEY)
    (worker, *_), (first, *_) = plan.application.workers, plan.application.pack
    db.states |= {worker: "activating", first: "reloading", plan.application.pack[-1]: "failed"}
    monkeypatch.setattr(cutover, "release_units", lambda *_: None)
    close(plan, run, db)
    assert run.records(SourceClosure).stopped_units == [worker, first]
    open_again(plan, run, db)


def on_host(done: list[list[str]]) -> Any:
    """A host that notes what systemctl is asked for, and does everything else."""

    def check(argv: list[str], **_: Any) -> str:
        if argv[0] == "systemctl":
            done.append(argv)
            return ""
        return HERE.check(argv)

    return SimpleNamespace(check=check)


def test_the_pack_starts_in_its_order_and_before_the_workers(plan: Plan) -> None:
    servers = [PackServer(unit="app.socket"), PackServer(unit="app.service")]
    application = plan.application.model_copy(update={"servers": servers, "workers": ["work.service"]})
    stopped = ["of-an-older-plan.service", "work.service", "app.socket", "app.service"]
    closure = SourceClosure(logins={}, stopped_units=stopped, held_files=[], closed=SURVEY.recorded)
    done: list[list[str]] = []
    cutover.release_units(on_host(done), plan.model_copy(update={"application": application}), closure)
    assert [argv[-1] for argv in done] == ["of-an-older-plan.service", "app.socket", "app.service", "work.service"]


def test_a_unit_that_does_not_start_keeps_nothing_else_shut(
    db: Local, plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.record(SURVEY)
    (worker, *_), pack = plan.application.workers, plan.application.pack
    db.states |= dict.fromkeys([worker, *pack], "active")
    close(plan, run, db)
    done: list[str] = []

    def check(argv: list[str], **_: Any) -> str:
        done.append(argv[-1])
        if argv[-1] == pack[0]:
            raise StepFailed("a command", expected="exit code 0", found=f"{pack[0]} failed", remedy="see its journal")
        return ""

    host = SimpleNamespace(check=check)
    release = cutover.release_units
    monkeypatch.setattr(cutover, "release_units", lambda _, *words: release(host, *words))
    with pytest.raises(StepFailed, match=f"{pack[0]} failed"):
        open_again(plan, run, db)
    assert [one for one in done if one in (*pack, worker)] == [*pack, worker]
    assert db.shown[-1] == "/etc/nginx/nginx.conf", "nginx serves again"
    assert not run.happened(SourceReopened), "the same command is to be run again"


def test_a_cron_file_that_comes_back_while_production_is_closed_is_held_too(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover, "held", lambda file: tmp_path / "held" / file.relative_to("/"))
    cron = tmp_path / "cron"
    held = tmp_path / "held" / cron.relative_to("/")
    application = plan.application.model_copy(update={"cron": [PurePosixPath(cron)]})
    plan = plan.model_copy(update={"application": application})
    closure = SourceClosure(logins={}, stopped_units=[], held_files=[str(cron)], closed=SURVEY.recorded)
    for run in ("first", "second"):
        cron.write_text(f"of before the {run}\n")
        cutover.hold_units(on_host([]), plan)
        cutover.hold_units(on_host([]), plan)
        cron.write_text("of a configuration management\n")
        cutover.hold_units(on_host([]), plan)
        assert not cron.exists()
        assert held.read_text() == f"of before the {run}\n"
        cutover.release_units(on_host([]), plan, closure)
        cutover.release_units(on_host([]), plan, closure)
        assert cron.read_text() == f"of before the {run}\n"
        assert not held.exists()
        cutover.hold_units(on_host([]), plan)
        cron.write_text("of a configuration management\n")
        cutover.release_units(on_host([]), plan, closure)
        assert cron.read_text() == "of a configuration management\n", "what lies there stays"
        assert not held.exists(), "nothing of this run is in the way of the next one"


def test_what_an_older_gonogo_closed_is_opened_too(server: Server, db: Local, plan: Plan, run: Run) -> None:
    run.record(SURVEY)
    text = '{"logins": {"payroll": true, "gone": true}, "stopped_units": [], "held_files": [], "closed": "2026-11-01T12:00:00Z"}'
    (run.directory / "records").mkdir(exist_ok=True)
    (run.directory / "records" / SourceClosure.file).write_text(text)
    db.execute("ALTER ROLE payroll NOLOGIN")
    open_again(plan, run, db)
    log_in(server, "payroll").close()


def test_rules_that_cannot_be_changed_are_refused_before_anything(
    server: Server, db: Local, plan: Plan, run: Run
) -> None:
    rules = server.directory / "data/pg_hba.conf"
    before = rules.read_bytes()
    rules.write_bytes(b"local all all rejekt\n" + before)
    try:
        with pytest.raises(Refused, match="rejekt"):
            close(plan, run, db)
    finally:
        rules.write_bytes(before)
        fence._load(db)
    assert not run.has(SourceClosure)
    assert not run.happened(SourceClosed)
    assert not Path(moved_to(db, "/var/lib/gonogo")).exists()
    log_in(server, "payroll").close()


def test_what_another_run_has_closed_is_left_alone(db: Local, plan: Plan, run: Run) -> None:
    place = Path(moved_to(db, str(cutover.CLOSURE)))
    place.parent.mkdir(parents=True)
    place.write_text('{"run": "another"}')
    with pytest.raises(Refused, match="closed by another"):
        close(plan, run, db)
    assert not run.has(SourceClosure)


def test_counters_that_do_not_come_to_rest_stop_the_closing(
    db: Local, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        Counters(next_transaction=n, written={}, sequences={}, automatic=0, elsewhere=n, reset="") for n in (1, 5)
    ]
    writing = [
        Counters(next_transaction=n, written={"public.t": (n, 0, 0)}, sequences={}, automatic=0, elsewhere=0, reset="")
        for n in range(9)
    ]
    monkeypatch.setattr(cutover, "_SETTLING", 0)
    for answers in (others, [*writing[:3], writing[2]]):
        given = iter(answers)
        monkeypatch.setattr(cutover, "ask", lambda *_, given=given: next(given))
        assert cutover._standstill(plan, db.host, db).counters == answers[-1]
    given = iter(writing)
    monkeypatch.setattr(cutover, "ask", lambda *_: next(given))
    monkeypatch.setattr(cutover.fence, "PATIENCE", -1)
    with pytest.raises(StepFailed, match=r"public\.t: 1 inserted"):
        cutover._standstill(plan, db.host, db)
