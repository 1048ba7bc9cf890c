"""`gonogo lab`: what a demonstration leaves behind."""

import pytest
from typer.testing import CliRunner

from fixtures.plan import Plan
from fixtures.run.journal import Accepted, SourceClosed
from fixtures.run.run import Run
from steps.cli import lab as cli_lab
from steps.engine.executor import choose_run
from tests.unit import begun
from tests.unit.begun import gate_entry

run = begun.run


def test_a_demonstration_that_broke_off_is_in_nobodys_way(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_lab, "RUNS", run.directory.parent)
    run.journal(SourceClosed())
    cli_lab._set_aside(plan)
    again, resumed = choose_run(plan, run.directory.parent, [], anew=True)
    assert not resumed
    assert any(path.name.endswith("-lab-gone") for path in run.directory.parent.iterdir())
    again.journal(Accepted())
    again.journal(gate_entry("accepted", "go"))
    cli_lab._set_aside(plan)
    assert again.directory.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--production", "mediawiki", "--rehearsed"], ["a rehearsed lab of mediawiki", "leave --rehearsed out"]),
        (["--production", "wordpress"], ["the lab's production", "one of smallpayroll, mediawiki"]),
        (["--production", "mediawiki", "--variant", "second"], ["the variant of the lab's mediawiki", "one of first"]),
    ],
)
def test_what_no_lab_can_hold_is_one_clear_error(
    options: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_lab.control.needs, "check", lambda: None)
    monkeypatch.setattr(cli_lab.control, "_launch", lambda *_: pytest.fail("a lab was begun"))
    done = CliRunner().invoke(cli_lab.lab, ["up", "--name", "never", *options])
    assert done.exit_code == 1, done.output
    for text in said:
        assert text in done.output
