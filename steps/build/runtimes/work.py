"""What is done for any runtime on the target: which of production's dependencies are missing there, and what for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fixtures.connect.host import Host
from fixtures.facts import likeness
from fixtures.facts.fact import ask
from fixtures.facts.runtimes.seam import Dependencies, OfPlan, why_not
from fixtures.plan import Plan
from fixtures.run.records import Dependency, Survey
from fixtures.run.run import Run


@dataclass(frozen=True)
class Work:
    """What is known of production; a target is handed to what changes it."""

    plan: Plan
    run: Run
    source: Host

    def wanted(self, runtime: OfPlan[Any]) -> Mapping[str, Dependency]:
        """Production's dependencies, as the plan's deviations leave them."""
        return likeness.dependencies(self.plan, self.run.records(Survey), runtime.name)

    def found(self, target: Host, runtime: OfPlan[Any]) -> Dependencies:
        """The target's, each of production's loaded."""
        return ask(target, runtime.dependencies(self.wanted(runtime)))


def unusable(wanted: Mapping[str, Dependency], found: Dependencies) -> dict[str, str]:
    """Name -> version of what is not there at that version, with other files, or does not load."""
    return {name: one.version for name, one in wanted.items() if why_not(one, found.present.get(name))}


def to_install(wanted: Mapping[str, Dependency], found: Dependencies) -> dict[str, str]:
    """Name -> version of what is not usable, and of what else the release asks for and is not there."""
    return {**found.lacks, **unusable(wanted, found)}
