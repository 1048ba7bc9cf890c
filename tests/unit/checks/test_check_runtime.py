"""What runs the application's code, and what it loads."""

from types import SimpleNamespace

import pytest

from checks import check_runtime
from fixtures.errors import NoGo
from fixtures.facts.runtimes.seam import Dependencies, OfRuntime, Program
from fixtures.plan import Deviation, parse_plan
from fixtures.run.records import Dependency, SurveyedRuntime
from tests.unit.example import EXAMPLE, EXAMPLE_TEXT, PLAN
from tests.unit.steps.target import SURVEY

AS_IS = parse_plan(
    EXAMPLE_TEXT.replace('bring = "index"  ', 'environment = "/srv/app/bundle"\nbring = "as_is"  ').replace(
        'index = "http', '# "http'
    ),
    EXAMPLE,
)
PUMA = Dependency(version="5.3.1", digest="d", loads="puma")


def run(**runtime):
    """A run whose survey knows one runtime."""
    known = SurveyedRuntime(**({"version": "3.1.2", "dependencies": {"puma": PUMA}} | runtime))
    survey = SURVEY.model_copy(update={"platform": "12 debian x86_64", "runtimes": {"ruby": known}})
    return SimpleNamespace(records=lambda _: survey)


def test_a_dated_package_that_is_left_is_no_go():
    check_runtime.check_dated_package_is_gone("ruby", installed=False)
    with pytest.raises(NoGo, match="the package ruby on the target"):
        check_runtime.check_dated_package_is_gone("ruby", installed=True)


def test_another_version_and_none_are_no_go():
    check_runtime.check_runtime_is_the_planned_one("ruby", PLAN, {"sudo": Program("/usr/bin/ruby3.1", "3.1.2")})
    with pytest.raises(NoGo, match=r"cron: 3\.3\.1 \(/usr/bin/ruby3\.3\); sudo: no ruby"):
        check_runtime.check_runtime_is_the_planned_one(
            "ruby", PLAN, {"cron": Program("/usr/bin/ruby3.3", "3.3.1"), "sudo": None}
        )


def test_a_package_of_the_plan_that_is_absent_is_no_go():
    there = {*PLAN.runtime[0].packages, *PLAN.application.packages}
    for check, package in (
        (check_runtime.check_packages_of_runtimes_are_there, "ruby-dev"),
        (check_runtime.check_packages_of_the_application_are_there, "puma"),
    ):
        check(PLAN, there)
        with pytest.raises(NoGo, match=package):
            check(PLAN, there - {package})


@pytest.mark.parametrize(
    ("here", "found"),
    [
        ({}, "absent"),
        ({"version": "5.3.4", "digest": "d"}, r"5\.3\.4"),
        ({"version": "5.3.1", "digest": "x"}, r"5\.3\.1, with other files"),
        ({"version": "5.3.1", "digest": "d", "error": "ImportError: no libffi"}, "no libffi"),
    ],
)
def test_a_dependency_that_is_not_productions_is_no_go(here, found):
    wanted = OfRuntime("ruby", "puma")
    good = Dependencies.model_validate({"present": {"puma": {"version": "5.3.1", "digest": "d"}}})
    check_runtime.check_dependency_is_productions(wanted, PLAN, run(), good)
    with pytest.raises(NoGo, match=found):
        check_runtime.check_dependency_is_productions(
            wanted, PLAN, run(), Dependencies.model_validate({"present": {"puma": here} if here else {}})
        )


def test_a_deviation_of_the_plan_is_what_is_wanted():
    wanted = OfRuntime("ruby", "puma")

    def judge(expected, **here):
        one = Deviation(key="runtime.ruby.puma", source="5.3.1", expected=expected, reason="the index carries this one")
        found = Dependencies.model_validate({"present": {"puma": here} if here else {}})
        plan = PLAN.model_copy(update={"deviation": [one]})
        check_runtime.check_dependency_is_productions(wanted, plan, run(), found)

    judge("5.4.0", version="5.4.0", digest="other")
    judge("none")
    with pytest.raises(NoGo, match=r"5\.4\.0, with its files"):
        judge("5.4.0", version="5.3.1", digest="d")
    with pytest.raises(NoGo, match="absent, as its deviation says"):
        judge("none", version="5.3.1", digest="d")


def test_a_dependency_that_production_lacks_is_no_go():
    there = {"puma": {"version": "5.3.1"}}
    check_runtime.check_no_other_dependencies("ruby", PLAN, run(), Dependencies.model_validate({"present": there}))
    more = Dependencies.model_validate({"present": {**there, "sneaky": {"version": "1"}}})
    with pytest.raises(NoGo, match="sneaky"):
        check_runtime.check_no_other_dependencies("ruby", PLAN, run(), more)


def test_what_was_built_elsewhere_is_not_taken_as_it_is():
    same = {"units": Program("/usr/bin/ruby3.1", "3.1.2")}
    check_runtime.check_dependencies_may_be_taken_as_they_are("ruby", run(), AS_IS, "12 debian x86_64", same)
    for platform, ways in (
        ("13 debian x86_64", same),
        ("12 debian aarch64", same),
        ("12 debian x86_64", {"units": Program("/usr/bin/ruby3.1", "3.1.9")}),
        ("12 debian x86_64", {"units": None}),
    ):
        with pytest.raises(NoGo, match="taken over as they are"):
            check_runtime.check_dependencies_may_be_taken_as_they_are("ruby", run(), AS_IS, platform, ways)


def test_a_directory_with_another_file_is_no_go():
    check_runtime.check_directory_was_taken_as_it_is("ruby", run(directory="a"), AS_IS, "a")
    with pytest.raises(NoGo, match=r"/srv/app/bundle"):
        check_runtime.check_directory_was_taken_as_it_is("ruby", run(directory="a"), AS_IS, "b")


def test_another_setting_of_the_runtime_is_no_go():
    known = run(settings={"memory_limit": "128M", "opcache.enable": "On"})
    same = {"settings": {"memory_limit": "128M", "opcache.enable": "On"}}
    check_runtime.check_settings_of_the_runtime_are_productions("ruby", known, same)
    with pytest.raises(NoGo, match=r"memory_limit: 64M, on production 128M; opcache\.enable: none, on production On"):
        check_runtime.check_settings_of_the_runtime_are_productions(
            "ruby", known, {"settings": {"memory_limit": "64M"}}
        )
