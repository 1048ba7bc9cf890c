"""What runs the application's code is the planned one, and loads on the target all that it loads on production."""

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.errors import NoGo
from fixtures.facts import files, likeness, machine, packages, runtimes
from fixtures.facts.fact import HostFact
from fixtures.facts.runtimes.seam import Dependencies, OfRuntime, Program, of_directory, why_not
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan, Tarball
from fixtures.run.places import tarball_mark
from fixtures.run.records import Survey
from fixtures.run.run import Run

MEND = "run `gonogo run --until runtime_installed`, and see [[runtime]] in the plan"
ANEW = "run `gonogo run --until dependencies_installed`"


@pytest.mark.runtime_installed
def check_runtime_is_the_planned_one(
    runtime: str,
    plan: Plan,
    ways: dict[str, Program | None] = on_target(lambda runtime, plan: runtimes.of(plan, runtime).ways()),
) -> None:
    """Whoever looks for the runtime finds it, at the planned version and in the planned place."""
    ours = runtimes.of(plan, runtime)
    wrong = {way: mistake for way, found in ways.items() if (mistake := ours.wrong(found))}
    if wrong:
        raise NoGo(
            f"{runtime} on the target",
            expected=f"{ours.part.version}" + (f" below {ours.place}" if ours.place else ""),
            found="; ".join(f"{way}: {mistake}" for way, mistake in wrong.items()),
            remedy=f"{MEND}; list another one in /usr/bin under remove there",
        )


@pytest.mark.release_copied
def check_application_finds_the_planned_runtime(
    runtime: str,
    plan: Plan,
    found: Program | None = on_target(lambda runtime, plan: runtimes.of(plan, runtime).found()),
) -> None:
    """The application's user finds the planned runtime."""
    ours, user = runtimes.of(plan, runtime), plan.application.user
    if wrong := ours.wrong(found):
        raise NoGo(f"{runtime}, as {user} finds it on the target", expected=ours.part.version, found=wrong, remedy=MEND)


@pytest.mark.runtime_installed
def check_runtime_loads_its_own_parts(
    runtime: str, found: str = on_target(lambda runtime, plan: runtimes.of(plan, runtime).unloaded())
) -> None:
    """The runtime loads the native parts that it was built with."""
    if found:
        raise NoGo(
            f"the parts that {runtime} on the target was built with",
            expected="all load",
            found=found,
            remedy="add the development packages that it names to packages in its [[runtime]], and install anew",
        )


@pytest.mark.runtime_installed
def check_runtime_has_its_tools(
    built_runtime: str,
    found: list[str] = on_target(lambda built_runtime, plan: runtimes.of(plan, built_runtime).lacking()),
) -> None:
    """What dependencies are installed and built with is there."""
    if found:
        raise NoGo(
            f"what dependencies of {built_runtime} are installed and built with, on the target",
            expected="all there",
            found=f"without {', '.join(found)}",
            remedy=MEND,
        )


@pytest.mark.runtime_installed
def check_packages_of_runtimes_are_there(plan: Plan, found: set[str] = on_target(packages.PROVIDED)) -> None:
    """Every package that the plan lists for a runtime is installed."""
    must_be_none(
        "packages of the plan's runtimes that the target lacks",
        found=[package for one in plan.runtime for package in one.packages if package not in found],
        remedy=MEND,
    )


@pytest.mark.dependencies_installed
def check_packages_of_the_application_are_there(plan: Plan, found: set[str] = on_target(packages.PROVIDED)) -> None:
    """Every package that the plan lists for the application is installed."""
    must_be_none(
        "packages of the application that the target lacks",
        found=[package for package in plan.application.packages if package not in found],
        remedy=ANEW,
    )


@pytest.mark.runtime_installed
def check_dated_package_is_gone(
    dated_package: str, installed: bool = on_target(lambda dated_package: packages.installed(dated_package))
) -> None:
    """The dated package is no longer installed."""
    if installed:
        raise NoGo(
            f"the package {dated_package} on the target", expected="not installed", found="installed", remedy=MEND
        )


@pytest.mark.runtime_installed
def check_tarball_is_the_planned_one(
    tarball: Tarball, found: str = on_target(lambda tarball: files.text(str(tarball_mark(tarball))))
) -> None:
    """The runtime below the prefix was installed whole, from the tarball whose SHA-256 the plan gives."""
    must_equal(
        f"{tarball_mark(tarball)} on the target",
        expected=tarball.sha256,
        found=found.strip() or "absent: not installed whole",
        remedy=MEND,
    )


@pytest.mark.runtime_installed
def check_dependencies_may_be_taken_as_they_are(
    taken_runtime: str,
    run: Run,
    plan: Plan,
    platform: str = on_target(machine.PLATFORM),
    ways: dict[str, Program | None] = on_target(lambda taken_runtime, plan: runtimes.of(plan, taken_runtime).ways()),
) -> None:
    """System, processor and runtime are production's, so that what was built there runs here."""
    survey = run.records(Survey)
    found = sorted({one.version if one else "none" for one in ways.values()})
    must_equal(
        f"system and version of {taken_runtime} on the target, whose dependencies are taken over as they are",
        expected=(survey.platform, survey.runtimes[taken_runtime].version),
        found=(platform, ", ".join(found)),
        remedy='choose an image of production\'s own system (target.image), or say bring = "index" in the [[runtime]]',
    )


# --- what it loads for the application -----------------------------------------------------------------------------------


def _wanted(plan: Plan, run: Run, name: str) -> HostFact[Dependencies]:
    """The target's dependencies, with each of production's loaded as the application's user."""
    return runtimes.of(plan, name).dependencies(likeness.dependencies(plan, run.records(Survey), name))


def _of_dependency(plan: Plan, run: Run, dependency: OfRuntime) -> HostFact[Dependencies]:
    run.records(Survey)  # without one there is no dependency to ask about
    return _wanted(plan, run, dependency.runtime)


@pytest.mark.dependencies_installed
def check_dependency_is_productions(
    dependency: OfRuntime, plan: Plan, run: Run, found: Dependencies = on_target(_of_dependency)
) -> None:
    """The dependency is there at production's version (or as the plan's deviation says), with its files, and loads as the application's user."""
    name = dependency.dependency
    expected = likeness.dependencies(plan, run.records(Survey), dependency.runtime).get(name)
    here = found.present.get(name)
    wrong = why_not(expected, here) if expected else here and (here.version or "there")
    if wrong:
        wanted = (
            f"{expected.version}, with its files, and it loads".lstrip(", ")
            if expected
            else "absent, as its deviation says"
        )
        raise NoGo(
            f"{name} of {dependency.runtime} on the target",
            expected=wanted,
            found=wrong,
            remedy=f"{ANEW}; if it is still missing: put it on the index of the [[runtime]], its package into packages there, or the "
            f"library that it names into application.packages; or list runtime.{dependency.runtime}.{name} as a [[deviation]] with its reason",
        )


@pytest.mark.dependencies_installed
def check_dependencies_are_complete(
    runtime: str, found: Dependencies = on_target(lambda plan, run, runtime: _wanted(plan, run, runtime))
) -> None:
    """The runtime finds everything that the application asks for."""
    if found.broken is not None:
        raise NoGo(
            f"what the application asks of {runtime} on the target",
            expected="complete",
            found=found.broken,
            remedy=ANEW,
        )


@pytest.mark.dependencies_installed
def check_no_other_dependencies(
    closed_runtime: str,
    plan: Plan,
    run: Run,
    found: Dependencies = on_target(lambda plan, run, closed_runtime: _wanted(plan, run, closed_runtime)),
) -> None:
    """The runtime finds nothing that production does not have: what is there may be loaded by its mere presence."""
    more = sorted(found.present.keys() - likeness.dependencies(plan, run.records(Survey), closed_runtime).keys())
    must_be_none(
        f"dependencies of {closed_runtime} on the target that production lacks",
        expected="none",
        found=more,
        remedy=f"remove their directory on the target, then {ANEW}",
    )


@pytest.mark.dependencies_installed
def check_directory_was_taken_as_it_is(
    taken_runtime: str,
    run: Run,
    plan: Plan,
    found: str = on_target(lambda taken_runtime, plan: _directory(plan, taken_runtime)),
) -> None:
    """The directory of the dependencies is production's, file by file."""
    must_equal(
        f"{runtimes.of(plan, taken_runtime).directory} on the target",
        expected=run.records(Survey).runtimes[taken_runtime].directory,
        found=found,
        remedy=ANEW,
    )


def _directory(plan: Plan, name: str) -> HostFact[str]:
    directory = runtimes.of(plan, name).directory
    assert directory is not None, "the plan gives one to what is taken as it is"
    return of_directory(directory)


@pytest.mark.dependencies_installed
def check_settings_of_the_runtime_are_productions(
    tuned_runtime: str,
    run: Run,
    found: dict[str, dict[str, str]] = on_target(lambda tuned_runtime, plan, run: _settings(plan, run, tuned_runtime)),
) -> None:
    """The runtime's own settings are in effect on the target as on production."""
    expected, here = run.records(Survey).runtimes[tuned_runtime].settings, found["settings"]
    differing = sorted(name for name in {*expected, *here} if expected.get(name) != here.get(name))
    if differing:
        said = [f"{name}: {here.get(name, 'none')}, on production {expected.get(name, 'none')}" for name in differing]
        raise NoGo(
            f"settings of {tuned_runtime} on the target",
            expected="as on production",
            found="; ".join(said[:5]) + (f"; and {len(said) - 5} more" if len(said) > 5 else ""),
            remedy="list the files that set them in application.also_copy, and run the same command again",
        )


def _settings(plan: Plan, run: Run, name: str) -> dict[str, HostFact[dict[str, str]]]:
    run.records(Survey)  # without one nobody knows which runtimes have settings
    fact = runtimes.of(plan, name).settings()
    return {"settings": fact} if fact else {}
