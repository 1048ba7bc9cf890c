"""What runs the application's code, and what it loads for it: each runtime of the plan by its own module."""

from pathlib import PurePosixPath
from typing import Any

from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.runtimes import all_of
from fixtures.facts.runtimes.node import OfNode
from fixtures.facts.runtimes.python import OfPython
from fixtures.facts.runtimes.ruby import OfRuby
from fixtures.facts.runtimes.seam import OfPlan, why_not
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from steps.build.release import bring_directory
from steps.build.runtimes import node, python, ruby
from steps.build.runtimes.work import Work
from steps.step import step
from steps.tools import packages


@step(needs=["data_mounted", "source_surveyed"], gives=["runtime_installed"], harmless=True)
def install_runtimes(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Remove dated packages where the plan says so, install the planned runtimes, and what dependencies are built with."""
    work = Work(plan, run, source)
    for one in all_of(plan).values():
        packages.remove(target, run, "install_runtimes", plan, one.part.remove)
        packages.install(target, run, "install_runtimes", one.part.packages)
        if one.part.prefix is not None:
            bring_directory(plan, source, target, one.part.prefix)
        if isinstance(one, OfRuby):
            ruby.install(target, work, one)


@step(needs=["release_copied", "runtime_installed"], gives=["dependencies_installed"], harmless=True)
def bring_dependencies(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Install the application's system packages, and everything of production's that a runtime does not load yet."""
    packages.install(target, run, "bring_dependencies", plan.application.packages)
    work = Work(plan, run, source)
    for one in all_of(plan).values():
        if one.part.bring == "as_is" and one.directory and not _has_come(plan, run, one.directory):
            bring_directory(plan, source, target, one.directory)
        _bring(target, work, one)
        _refuse_incomplete(target, work, one)


def _has_come(plan: Plan, run: Run, directory: PurePosixPath) -> bool:
    """Whether a directory lies in what was copied as the release: the home, and a release that no package brought."""
    whole = [plan.application.home, None if run.records(Survey).release_packages else plan.application.current]
    return any(place is not None and directory.is_relative_to(place) for place in whole)


def _bring(target: Host, work: Work, runtime: OfPlan[Any]) -> None:
    match runtime:
        case OfRuby():
            ruby.bring(target, work, runtime)
        case OfPython():
            python.bring(target, work, runtime)
        case OfNode():
            node.bring(target, work, runtime)


def _refuse_incomplete(target: Host, work: Work, runtime: OfPlan[Any]) -> None:
    """Raise `StepFailed` where the target still lacks something of production's."""
    wanted, found = work.wanted(runtime), work.found(target, runtime)
    reasons = [f"{name}: {wrong}" for name, one in wanted.items() if (wrong := why_not(one, found.present.get(name)))]
    if reasons or found.broken is not None:
        raise StepFailed(
            f"what {runtime.name} loads for the application on the target",
            expected="everything that it loads on production, at the same version",
            found="; ".join(reasons or [found.broken or ""]),
            remedy="put it on the index of its [[runtime]], its package into packages there, or the library that it names into application.packages",
        )
