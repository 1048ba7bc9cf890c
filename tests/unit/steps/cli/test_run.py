"""What `gonogo run`, `rehearse` and `back-out` do about secrets, and about an edited plan, before anything else."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.plan import load_plan
from fixtures.run.journal import SourceClosed
from fixtures.run.records import DnsBefore
from fixtures.run.run import new_run
from steps.cli import run as cli_run
from steps.cli.cli import app
from tests.unit.example import EXAMPLE


@pytest.fixture
def plan_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan whose database has its role's name for a password."""
    monkeypatch.setattr(cli_run, "RUNS", tmp_path / "runs")
    path = tmp_path / "plan.toml"
    path.write_bytes(EXAMPLE.read_bytes())
    monkeypatch.setenv("PAYROLL_DB_PASSWORD", load_plan(path).database.role)
    return path


@pytest.mark.parametrize("command", ["run", "rehearse"])
def test_a_secret_equal_to_the_roles_name_is_refused_before_a_run_is_made(plan_file: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, "--plan", str(plan_file), "--yes"])
    assert done.exit_code == 1
    assert "database.password is a word of the plan" in done.output
    assert not (plan_file.parent / "runs").exists()


def test_a_back_out_warns_and_goes_on(plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_run(load_plan(plan_file), plan_file.parent / "runs")
    reached = []
    monkeypatch.setattr(cli_run.way_back, "back_out", lambda *_: reached.append(True))
    monkeypatch.setattr(cli_run.Gates, "collect", lambda _: pytest.exit("far enough"))
    with pytest.raises(pytest.exit.Exception):
        CliRunner().invoke(app, ["back-out", "--plan", str(plan_file), "--yes"], catch_exceptions=False)
    assert reached
    (log,) = (plan_file.parent / "runs").glob("*/run.log")
    assert "database.password is a word of the plan" in log.read_text()


@pytest.mark.parametrize("damage", [False, True])
def test_a_back_out_goes_by_the_runs_own_plan(
    plan_file: Path, monkeypatch: pytest.MonkeyPatch, *, damage: bool
) -> None:
    run = new_run(load_plan(plan_file), plan_file.parent / "runs")
    run.journal(SourceClosed())
    run.record(DnsBefore(records={}, ttls={}))
    own = load_plan(plan_file).dns.records
    plan_file.write_text(plan_file.read_text().replace('{ name = "www.smallpayroll.test", type = "A" },', ""))
    if damage:
        (run.directory / "plan.toml").write_text("name =")
    went_by = []
    monkeypatch.setattr(cli_run.way_back, "back_out", lambda connections, _: went_by.append(connections.plan))
    monkeypatch.setattr(cli_run.Gates, "collect", lambda _: pytest.exit("far enough"))
    with pytest.raises(pytest.exit.Exception):
        CliRunner().invoke(app, ["back-out", "--plan", str(plan_file), "--yes"], catch_exceptions=False)
    assert went_by[0].dns.records == (own[:1] if damage else own), "nobody is left shut out by a damaged copy"
    assert ("dns.records" in (run.directory / "run.log").read_text()) is not damage
