"""The gems of production's bundle."""

import shlex
from collections.abc import Mapping

from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.bundle import Bundle
from fixtures.facts.bundle import bundle as bundle_of
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from steps.build import ruby
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit


@step(needs=["release_copied", "ruby_installed"], gives=["gems_installed"], harmless=True)
def install_gems(plan: Plan, run: Run, target: Host) -> None:
    """Install the application's system packages, and every gem of production's bundle that is still missing."""
    packages.install(target, run, "install_gems", plan.application.packages)
    survey = run.records(Survey)
    wanted = {gem: (version, survey.features[gem]) for gem, version in survey.gems.items()}
    lacking = to_install(wanted, ask(target, bundle_of(plan, wanted)))
    if lacking:
        run_unit(target, run, "install_gems", install_script(plan.application.gem_source, lacking), 1800)
    if plan.ruby.tarball is not None:
        ruby.link_programs(target, plan.ruby.tarball.prefix)
    after = ask(target, bundle_of(plan, wanted))
    unusable = missing_gems(wanted, after)
    if unusable or after.bundle is not None:
        reasons = [f"{gem}: {after.gems[gem].error or after.gems[gem].version}" for gem in unusable] or [
            after.bundle or ""
        ]
        raise StepFailed(
            "the application's bundle on the target",
            expected="every gem of production's bundle, and each loads",
            found="; ".join(reasons),
            remedy="put the gem on application.gem_source, or the library it names into application.packages",
        )


def missing_gems(wanted: Mapping[str, tuple[str, str]], bundle: Bundle) -> dict[str, str]:
    """Gem -> version of what is not there at that version or does not load."""
    present = bundle.gems
    return {
        gem: version
        for gem, (version, _) in wanted.items()
        if gem not in present or present[gem].version != version or present[gem].error is not None
    }


def to_install(wanted: Mapping[str, tuple[str, str]], bundle: Bundle) -> dict[str, str]:
    """Gem -> version of production's gems that are missing, and of what else the release's lock names and is not there."""
    return {**bundle.lacks, **missing_gems(wanted, bundle)}


def install_script(source: str, gems: Mapping[str, str]) -> str:
    """The script that installs the gems, from that source alone, and names the native library that one lacks."""
    names = [f"{gem}:{version}" for gem, version in sorted(gems.items())]
    install = ["gem", "install", "--clear-sources", "--source", source, "--no-document", *names]
    return f"export LC_ALL=C.UTF-8 HOME=/root\nexec {shlex.join(install)}\n"
