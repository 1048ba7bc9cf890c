"""The lock of a host is freed only where the host is proven to be the one that is meant."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from fixtures.errors import Refused
from steps.cli import cli
from steps.engine import guards
from tests.unit.example import EXAMPLE
from tests.unit.steps import target as targets
from tests.unit.steps.target import SURVEY

run = targets.run


class Host:
    """A host whose lock a dead run holds."""

    held = "another run"

    def __init__(self, machine):
        self.machine = machine

    def read_file(self, _path):
        return self.machine

    def lock_holder(self):
        return self.held

    def unlock(self):
        self.held = None


@pytest.fixture
def hosts(run, monkeypatch):
    made = SimpleNamespace(run=run, source=Host(SURVEY.machine_id), target=Host("target"), close=lambda: None)
    monkeypatch.setattr(cli, "RUNS", run.directory.parent)
    monkeypatch.setattr(cli, "Connections", lambda *_, **__: made)
    return made


def gonogo_lock(*arguments):
    return CliRunner().invoke(cli.app, ["lock", "--plan", str(EXAMPLE), *arguments])


def test_who_holds_the_locks_is_said_without_any_proof(hosts):
    done = gonogo_lock()
    assert done.exit_code == 0, done.output
    assert done.output.count("another run") == 2


def test_a_lock_is_freed_on_a_proven_host_alone(hosts, monkeypatch):
    stranger = Refused("the host we are logged in to", expected="the target", found="another", remedy="look")

    def refuse(_):
        raise stranger

    monkeypatch.setattr(guards, "prove_target", refuse)
    assert gonogo_lock("--free", "target").exit_code != 0
    assert hosts.target.held
    monkeypatch.setattr(guards, "prove_target", lambda _: False)
    assert gonogo_lock("--free", "target").exit_code == 0
    assert not hosts.target.held
    assert gonogo_lock("--free", "source").exit_code == 0
    assert not hosts.source.held


def test_a_source_that_was_not_surveyed_keeps_its_lock(hosts):
    hosts.source.machine = "a stranger"
    done = gonogo_lock("--free", "source")
    assert done.exit_code != 0
    assert hosts.source.held
