"""Every login shell, cron job and unit finds Ruby, at the planned version."""

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.facts import files, packages, ruby
from fixtures.facts.ruby import Ruby
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan, Tarball
from fixtures.run.places import tarball_mark

MEND = "run `gonogo run --until ruby_installed`, and see [ruby] in the plan"
NATIVE = ("gcc", "make", "ruby.h")
"""What gems with native code are built with."""


def _wrong(found: Ruby | None, plan: Plan) -> str:
    """What is wrong with a Ruby that was found; empty when it is the planned one."""
    if found is None:
        return "no ruby"
    wanted = plan.ruby.version.split(".")
    prefix = plan.ruby.tarball.prefix if plan.ruby.tarball else None
    if found.version.split(".")[: len(wanted)] != wanted or (prefix and not found.program.startswith(f"{prefix}/")):
        return f"{found.version} ({found.program})"
    return ""


@pytest.mark.ruby_installed
def check_ruby_is_the_planned_one(
    plan: Plan, ways: dict[str, Ruby | None] = on_target(lambda plan: ruby.ways(plan.target.user))
) -> None:
    """Every login shell, cron, units and sudo find Ruby, at the planned version and from the planned place."""
    wrong = {way: mistake for way, found in ways.items() if (mistake := _wrong(found, plan))}
    if wrong:
        raise NoGo(
            "Ruby on the target",
            expected=f"{plan.ruby.version}" + (f" below {plan.ruby.tarball.prefix}" if plan.ruby.tarball else ""),
            found="; ".join(f"{way}: {mistake}" for way, mistake in wrong.items()),
            remedy=f"{MEND}; list another Ruby in /usr/bin in ruby.remove",
        )


@pytest.mark.release_copied
def check_application_finds_the_planned_ruby(
    plan: Plan,
    found: Ruby | None = on_target(
        lambda plan: ruby.ways(plan.application.user)[f"a login shell of {plan.application.user}"]
    ),
) -> None:
    """A login shell of the application's user finds the planned Ruby."""
    user, wrong = plan.application.user, _wrong(found, plan)
    if wrong:
        raise NoGo(
            f"Ruby in a login shell of {user} on the target", expected=plan.ruby.version, found=wrong, remedy=MEND
        )


@pytest.mark.ruby_installed
def check_ruby_loads_its_native_parts(found: str = on_target(ruby.UNLOADED)) -> None:
    """Ruby loads what it was built with: OpenSSL, zlib and YAML."""
    if found:
        raise NoGo(
            "openssl, zlib and psych of Ruby on the target",
            expected="all load",
            found=found,
            remedy="add their development packages (libssl-dev, zlib1g-dev, libyaml-dev) to ruby.packages, and install anew",
        )


@pytest.mark.ruby_installed
def check_native_gems_can_be_built(lacking: list[str] = on_target(ruby.LACKING)) -> None:
    """A compiler and Ruby's own headers are there: gems with native code can be built."""
    missing = [tool for tool in lacking if tool in NATIVE]
    if missing:
        raise NoGo(
            "what native gems are built with, on the target",
            expected="gcc, make, ruby.h",
            found=f"without {', '.join(missing)}",
            remedy=MEND,
        )


@pytest.mark.ruby_installed
def check_rubygems_is_there(lacking: list[str] = on_target(ruby.LACKING)) -> None:
    """RubyGems and Bundler run for whoever logs in."""
    found = [tool for tool in lacking if tool not in NATIVE]
    if found:
        raise NoGo(
            "RubyGems on the target", expected="gem and bundle run", found=f"failing: {', '.join(found)}", remedy=MEND
        )


@pytest.mark.ruby_installed
def check_dated_package_is_gone(
    dated_package: str, installed: bool = on_target(lambda dated_package: packages.installed(dated_package))
) -> None:
    """The dated package is no longer installed."""
    if installed:
        raise NoGo(
            f"the package {dated_package} on the target", expected="not installed", found="installed", remedy=MEND
        )


@pytest.mark.ruby_installed
def check_tarball_is_the_planned_one(
    tarball: Tarball, found: str = on_target(lambda tarball: files.text(str(tarball_mark(tarball))))
) -> None:
    """The Ruby below the prefix was installed whole, from the tarball whose SHA-256 the plan gives."""
    must_equal(
        f"{tarball_mark(tarball)} on the target",
        expected=tarball.sha256,
        found=found.strip() or "absent: not installed whole",
        remedy=MEND,
    )
