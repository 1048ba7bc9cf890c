"""What is done for each runtime of a plan, whichever it is."""

from types import SimpleNamespace

import pytest

from fixtures.errors import StepFailed
from fixtures.facts.runtimes.seam import Dependencies
from fixtures.run.records import Dependency, SurveyedRuntime
from steps.build import runtimes
from tests.unit.standins import plan_of
from tests.unit.steps.target import SURVEY

TAKEN = '[[runtime]]\nkind = "node"\nversion = "22"\npackages = ["nodejs"]\nbring = "as_is"\n'
RUN = SimpleNamespace(
    records=lambda _: SURVEY.model_copy(
        update={
            "runtimes": {
                "node": SurveyedRuntime(version="22.1", dependencies={"pg": Dependency(version="8", digest="d")})
            }
        }
    )
)


@pytest.fixture
def done(monkeypatch):
    """What was done, in words; the target has what production has unless a test says otherwise."""
    words = []
    here = {"present": {"pg": {"version": "8", "digest": "d"}}}
    monkeypatch.setattr(
        runtimes, "bring_directory", lambda _plan, _source, _target, path: words.append(f"bring {path}")
    )
    monkeypatch.setattr(
        runtimes.packages, "install", lambda _target, _run, _step, names: words.append(f"install {' '.join(names)}")
    )
    monkeypatch.setattr(runtimes.packages, "remove", lambda *_: None)
    monkeypatch.setattr("steps.build.runtimes.work.ask", lambda *_: Dependencies.model_validate(here))
    return SimpleNamespace(words=words, here=here)


def bring(plan):
    runtimes.bring_dependencies.function(plan, RUN, None, None)


def test_a_runtime_that_no_package_brought_is_taken_over(done, tmp_path):
    runtimes.install_runtimes.function(plan_of(tmp_path, f'{TAKEN}prefix = "/opt/node"\n'), RUN, None, None)
    assert done.words == ["install nodejs", "bring /opt/node"]


def test_a_directory_beside_the_home_is_brought_and_one_in_it_has_come_with_the_release(done, tmp_path):
    bring(plan_of(tmp_path, f'{TAKEN}environment = "/srv/app/node_modules"\n'))
    assert done.words[1:] == ["bring /srv/app/node_modules"]
    bring(plan_of(tmp_path, TAKEN))
    assert len(done.words) == 3


def test_what_is_not_productions_in_the_end_is_named(done, tmp_path):
    done.here["present"]["pg"]["error"] = "libpq.so.5: cannot open shared object file"
    with pytest.raises(StepFailed, match=r"pg: libpq\.so\.5"):
        bring(plan_of(tmp_path, TAKEN))


def test_a_plan_without_a_runtime_installs_packages_alone(done, tmp_path):
    plan = plan_of(tmp_path)
    runtimes.install_runtimes.function(plan, RUN, None, None)
    bring(plan)
    assert done.words == ["install " + " ".join(plan.application.packages)]
