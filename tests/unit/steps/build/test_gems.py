"""Gems: from where they come, and which are missing."""

from fixtures.facts.bundle import Bundle
from steps.build import gems


def test_gems_come_from_the_plans_source_alone():
    script = gems.install_script("http://gems.test/", {"b": "2.0", "a": "1.0"})
    assert script.splitlines()[-1] == (
        "exec gem install --clear-sources --source http://gems.test/ --no-document a:1.0 b:2.0"
    )


def test_a_gem_is_missing_when_absent_of_another_version_or_broken():
    found = Bundle.model_validate(
        {"bundle": None, "gems": {"a": {"version": "1"}, "b": {"version": "2"}, "c": {"version": "1", "error": "no"}}}
    )
    wanted = {name: ("1", name) for name in "abcd"}
    assert gems.missing_gems(wanted, found) == {"b": "1", "c": "1", "d": "1"}


def test_what_only_the_lock_names_is_installed_too():
    # Production was deployed after the survey: every surveyed gem loads, and the bundle is incomplete all the same.
    loads = {"a": {"version": "1"}}
    found = Bundle.model_validate({"bundle": "Could not find e-2", "lacks": {"e": "2"}, "gems": loads})
    wanted = {"a": ("1", "a")}
    assert gems.to_install(wanted, found) == {"e": "2"}
    assert gems.to_install(wanted, Bundle.model_validate({"bundle": None, "gems": loads})) == {}
