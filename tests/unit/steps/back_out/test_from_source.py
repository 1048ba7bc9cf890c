"""Production is opened again by what lies there alone, and only where host and database are those that it speaks of."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import CouldNotVerify, Refused
from fixtures.facts.fact import ask
from fixtures.facts.roles import logins
from fixtures.plan import Plan
from fixtures.run.journal import BackedOut, SourceClosed
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run, new_run
from steps.back_out import back_out, from_source
from steps.night import cutover
from tests.servers import Server
from tests.unit.begun import gate_entry
from tests.unit.steps.night import test_cutover as closing
from tests.unit.steps.target import SURVEY

server, db = closing.server, closing.db
MACHINE = "a machine id"


@pytest.fixture
def closed(db: Any, plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A production that a run has closed; what the way back is handed where that run's directory is lost."""
    run.record(SURVEY.model_copy(update={"machine_id": MACHINE, "system_identifier": db.identity()}))
    closing.close(plan, run, db)
    db.host.lock_holder = lambda: None
    monkeypatch.setattr(from_source, "running_units", lambda *_: [])
    read = db.host.read_file
    db.host.read_file = lambda path: f"{MACHINE}\n" if path == "/etc/machine-id" else read(path)
    answer = SimpleNamespace(values=("192.0.2.4",))
    return SimpleNamespace(
        plan=plan, open_source=db.host, open_source_db=db, dns=SimpleNamespace(ask=lambda *_: answer),
        web=SimpleNamespace(get=lambda *_: SimpleNamespace(status_code=200)),
    )  # fmt: skip


def test_production_is_opened_as_it_was_without_its_run(server: Server, db: Any, closed: Any) -> None:
    said = []
    rules = server.directory / "data/pg_hba.conf"
    assert "gonogo" in rules.read_text()
    left = from_source.back_out_from_source(closed, lambda *words: said.append(words) or True)
    assert "production has every write" in said[0][0]
    assert said[0][2] is False, "--yes may answer"
    assert "gonogo" not in rules.read_text()
    assert ask(db, logins(["payroll", "boss"])) == {"payroll": True, "boss": True}
    closing.log_in(server, "payroll").close()
    assert db.shown[-1] == "/etc/nginx/nginx.conf", "nginx serves again"
    assert not Path(closing.moved_to(db, str(cutover.CLOSURE))).exists()
    assert all("change it to" in line for line in left)
    assert len(left) == len(closed.plan.dns.records) * len(closed.plan.dns.authoritative)
    with pytest.raises(Refused, match="no such file"):
        from_source.back_out_from_source(closed, lambda *_: True)


def test_what_the_target_may_hold_is_said_before(db: Any, closed: Any) -> None:
    Path(closing.moved_to(db, str(cutover.OPENED_ELSEWHERE))).write_text("2026-11-29 02:31 UTC, 192.0.2.4")
    said = []
    with pytest.raises(Refused, match="typed at the question"):
        from_source.back_out_from_source(closed, lambda *words: said.append(words) or False)
    assert "02:31 UTC, 192.0.2.4" in said[0][0]
    assert "Close the target first" in said[0][0]
    assert said[0][2] is True, "--yes may not"
    assert ask(db, logins(["payroll"])) == {"payroll": False}
    from_source.back_out_from_source(closed, lambda *_: True)


@pytest.mark.parametrize(
    ("word", "named"), [("source machine", "machine id"), ("cluster", "cluster"), ("half", "mistakes")]
)
def test_another_host_or_a_damaged_file_is_refused_and_nothing_is_changed(
    db: Any, closed: Any, plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, word: str, named: str
) -> None:
    place = Path(closing.moved_to(db, str(cutover.CLOSURE)))
    whole = place.read_text()
    with monkeypatch.context() as patch:
        match word:
            case "source machine":
                patch.setattr(db.host, "read_file", lambda _: "another\n")
            case "cluster":
                patch.setattr(db, "identity", lambda: "1")
            case "half":
                place.write_text('{"run": "r"}')
        with pytest.raises((Refused, CouldNotVerify), match=named):
            from_source.back_out_from_source(closed, lambda *_: True)
    assert ask(db, logins(["payroll"])) == {"payroll": False}
    place.write_text(whole)
    from_source.back_out_from_source(closed, lambda *_: True)


def test_work_that_goes_on_there_is_named_and_ended_before_production_is_opened(
    db: Any, closed: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, said, ended = f"gonogo-{run.name}-copy_database-1.service", [], []

    def stop(name: str) -> None:
        ended.append((name, ask(db, logins(["payroll"]))))

    for module in (from_source, back_out):
        monkeypatch.setattr(module, "running_units", lambda _, name: [unit] if name == run.name and not ended else [])
    db.host.stop_unit = stop
    left = from_source.back_out_from_source(closed, lambda *words: said.append(words) or True)
    assert f"{unit} is still at work" in said[0][0]
    assert ended == [(unit, {"payroll": False})], "before anybody may log in"
    assert f"{unit} was ended" in left[0]


def test_a_lock_that_stays_is_named_with_what_frees_it(closed: Any) -> None:
    closed.open_source.lock_holder = lambda: "another run since 02:00"
    said = []
    left = from_source.back_out_from_source(closed, lambda *words: said.append(words) or True)
    assert said[0][2] is True, "--yes may not answer"
    assert "gonogo lock --free source" in left[0]


def test_only_what_keeps_another_run_from_beginning_is_to_be_moved(plan: Plan, tmp_path: Path) -> None:
    run = new_run(plan, tmp_path / "runs")
    assert not from_source.stands_in_the_way(run)
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed="2026-11-29T02:14:00Z"))
    run.journal(SourceClosed())
    assert from_source.stands_in_the_way(run)
    run.journal(BackedOut())
    run.journal(gate_entry("backed_out", "go"))
    assert not from_source.stands_in_the_way(run)
    for path in run.directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert from_source.stands_in_the_way(run), "emptied"


def test_a_run_that_can_be_read_has_a_better_way_back(run: Run) -> None:
    from_source.refuse_whole_run(run)
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed="2026-11-29T02:14:00Z"))
    from_source.refuse_whole_run(run)
    run.journal(SourceClosed())
    with pytest.raises(Refused, match="without --from-source"):
        from_source.refuse_whole_run(run)
    with (run.directory / "journal.jsonl").open("a") as file:
        file.write("one byte changed\n")
    from_source.refuse_whole_run(run)
