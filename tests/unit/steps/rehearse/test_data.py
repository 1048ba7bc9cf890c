"""The dump and the restore of the database, to the letter."""

import shlex

import pytest

from fixtures.errors import StepFailed
from fixtures.plan import Plan
from fixtures.run.journal import TargetDatabaseStarted
from fixtures.run.run import Run
from steps.rehearse import data
from steps.tools import copying

DATABASE = shlex.quote("dbname='payroll_prod'")
SSH = copying.ssh_command("/run/gonogo/keys/r/p", "admin", "198.51.100.20")


def test_the_dump_goes_straight_into_ssh_and_a_broken_pipe_is_a_failure(plan: Plan) -> None:
    script = data.dump_script(plan, "00000003-0000001B-1", SSH)
    assert script.startswith("set -o pipefail\n")
    assert "pg_dump --port=5432 --snapshot=00000003-0000001B-1 --format=custom" in script
    assert script.rstrip().endswith(f"{DATABASE} | {shlex.join(SSH)}")
    assert ">" not in script


def test_the_restore_is_one_transaction(plan: Plan) -> None:
    assert data.restore_command(plan) == [
        "sh", "-c",
        "cd / && exec sudo -n -u postgres -- pg_restore --exit-on-error --single-transaction --port=5432 "
        + shlex.quote("--dbname=dbname='payroll_prod'"),
    ]  # fmt: skip


class Target:
    """A target whose PostgreSQL is down, or comes up again when it is started."""

    name = "target"

    def __init__(self, *, up: bool = False, comes_up: bool = True, dies: int = 1) -> None:
        self.up, self.comes_up, self.dies, self.started = up, comes_up, dies, 0

    def succeeds(self, argv: list[str], timeout: float = 60) -> bool:
        if argv[1] == "is-active":
            return self.up
        self.started += 1
        self.up = self.comes_up
        return self.up

    def check(self, argv: list[str], **_: object) -> str:
        assert argv[-1] == "postgresql@15-main.service"
        return "PANIC: could not write to file: No space left on device\n"


def copy(plan: Plan, run: Run, target: Target, monkeypatch: pytest.MonkeyPatch) -> data._Copy:
    """A copy that fails while the target's PostgreSQL dies under it, so many times."""

    class Closed:
        def close(self) -> None: ...

    def go(self: data._Copy, *, final: bool) -> None:
        if target.dies:
            target.dies -= 1
            target.up = False
            raise StepFailed("gonogo-copy.service on source", expected="success", found="it failed", remedy="mend it")

    monkeypatch.setattr(data._Copy, "_go", go)
    return data._Copy(plan, run, None, None, target, Closed())  # type: ignore[arg-type]  # none of them is asked


def test_a_target_whose_database_died_is_started_again_once_and_copied_to_anew(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = Target()
    with caplog.at_level("INFO"):
        copy(plan, run, target, monkeypatch).go(final=True)
    assert target.started == 1
    assert [entry.kind for entry in run.entries()] == ["target_database_started"]
    assert "PostgreSQL of the target (postgresql@15-main.service) is down: it is started once again" in caplog.text
    assert "No space left on device" in caplog.text


@pytest.mark.parametrize("target", [Target(dies=2), Target(comes_up=False)])
def test_a_second_death_names_the_target_and_the_last_line_of_its_log(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    with pytest.raises(StepFailed, match="PostgreSQL of the target") as caught:
        copy(plan, run, target, monkeypatch).go(final=True)
    assert "No space left on device" in caught.value.found
    assert target.started == 1
    assert run.happened(TargetDatabaseStarted)


def test_a_failure_beside_a_living_database_stays_what_it_is(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target()
    failing = copy(plan, run, target, monkeypatch)
    monkeypatch.setattr(target, "succeeds", lambda argv, timeout=60: argv[1] == "is-active")
    with pytest.raises(StepFailed, match=r"gonogo-copy\.service on source"):
        failing.go(final=True)
    assert not run.happened(TargetDatabaseStarted)
