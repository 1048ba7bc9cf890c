"""Which of production's dependencies a target still lacks."""

from fixtures.facts.runtimes.seam import Dependencies
from fixtures.run.records import Dependency
from steps.build.runtimes import work

WANTED = {name: Dependency(version="1", digest="d", loads=name) for name in "abcde"}


def test_a_dependency_is_missing_when_absent_of_another_version_changed_or_broken():
    good = {"version": "1", "digest": "d"}
    found = Dependencies.model_validate(
        {
            "present": {
                "a": good,
                "b": {**good, "version": "2"},
                "c": {**good, "error": "no"},
                "d": {**good, "digest": "x"},
            }
        }
    )
    assert work.unusable(WANTED, found) == {"b": "1", "c": "1", "d": "1", "e": "1"}


def test_what_only_the_release_asks_for_is_installed_too():
    # Production was deployed after the survey: all that was surveyed loads, and the release wants more all the same.
    present = {"a": {"version": "1", "digest": "d"}}
    wanted = {"a": WANTED["a"]}
    found = Dependencies.model_validate({"broken": "Could not find e-2", "lacks": {"e": "2"}, "present": present})
    assert work.to_install(wanted, found) == {"e": "2"}
    assert work.to_install(wanted, Dependencies.model_validate({"present": present})) == {}
