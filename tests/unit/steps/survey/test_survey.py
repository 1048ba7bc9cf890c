"""What the survey notes of runtimes and frameworks on production, and what it refuses."""

from types import SimpleNamespace

import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.facts import runtimes
from fixtures.facts.runtimes.seam import Dependencies
from fixtures.run.records import Said
from steps.survey import survey
from tests.unit.example import PLAN
from tests.unit.standins import plan_of

PUMA = {"version": "5.6.5", "digest": "d", "loads": "puma"}
TAKEN = '[[runtime]]\nkind = "python"\nversion = "3.11"\nbring = "as_is"\n'


@pytest.fixture
def production(monkeypatch):
    """Production, which answers questions in their order."""
    answers = []
    monkeypatch.setattr(survey, "ask", lambda _host, _fact: answers.pop(0))
    return answers


def test_what_a_runtime_loads_is_noted(production):
    production += ["3.1.2", Dependencies.model_validate({"present": {"puma": PUMA}})]
    found = survey._runtime(None, runtimes.of(PLAN, "ruby"))
    assert (found.version, found.dependencies["puma"].model_dump()) == ("3.1.2", {**PUMA, "origin": ""})
    assert (found.settings, found.directory) == ({}, "")


def test_what_is_taken_as_it_is_is_noted_with_its_digest(production, tmp_path):
    production += ["3.11.2", Dependencies.model_validate({"present": {"celery": PUMA}}), "0123"]
    assert survey._runtime(None, runtimes.of(plan_of(tmp_path, TAKEN), "python")).directory == "0123"


def test_a_version_that_nothing_can_be_taken_for_is_refused(production, tmp_path):
    production += ["3.9.2"]
    with pytest.raises(Refused, match="3\\.9\\.2"):
        survey._runtime(None, runtimes.of(plan_of(tmp_path, TAKEN), "python"))


def test_a_production_that_lacks_something_itself_is_no_measure(production):
    production += ["3.1.2", Dependencies.model_validate({"broken": "Could not find pg", "present": {}})]
    with pytest.raises(StepFailed, match="Could not find pg"):
        survey._runtime(None, runtimes.of(PLAN, "ruby"))


def test_the_frameworks_own_account_is_noted(production):
    production += [Said(mode="production"), ["1", "2"]]
    assert survey._said(PLAN, None, None) == {"rails": Said(mode="production", applied=["1", "2"])}
    without = SimpleNamespace(migrations=None)
    assert survey._said(without, None, None) == {}
