"""Every gem of production is installed on the target, and loads."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import bundle as bundles
from fixtures.facts.bundle import Bundle
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.gems_installed


def _bundle(plan: Plan, run: Run) -> HostFact[Bundle]:
    """The target's bundle, with every gem of production loaded as the application's user."""
    survey = run.records(Survey)
    wanted = {gem: (version, survey.features.get(gem, "")) for gem, version in survey.gems.items()}
    return bundles.bundle(plan, wanted)


def check_gem_loads(gem: str, run: Run, bundle: Bundle = on_target(_bundle)) -> None:
    """The gem is installed at production's version and loads, native libraries included, as the application's user."""
    expected = run.records(Survey).gems[gem]
    found = bundle.gems.get(gem)
    good = found is not None and found.version == expected and found.error is None
    if not good:
        raise NoGo(
            f"the gem {gem} on the target",
            expected=f"{expected}, and it loads",
            found=(found.error or found.version or "absent") if found else "absent",
            remedy="run `gonogo run --until gems_installed`; if it is still missing: put it on application.gem_source, or the library "
            "that it names into application.packages",
        )


def check_bundle_is_complete(bundle: Bundle = on_target(_bundle)) -> None:
    """Bundler finds everything that the release's Gemfile asks for."""
    if bundle.bundle is not None:
        raise NoGo(
            "the application's bundle on the target",
            expected="complete",
            found=bundle.bundle,
            remedy="run `gonogo run --until gems_installed`",
        )
