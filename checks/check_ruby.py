"""Ruby is there for whoever asks for it, at the planned version."""

import shlex

import pytest

from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.places import tarball_mark
from fixtures.plan import Plan, Tarball

MEND = "run `gonogo run --until ruby_installed`, and see [ruby] in the plan"

# The program behind the name and its version; programs of a prefix are reached by links too.
_SAY = 'found=$(command -v ruby) && readlink -f -- "$found" && ruby -e "print RUBY_VERSION"'
_BARE = ["env", "-i", "HOME=/", "LC_ALL=C.UTF-8"]


def _ways(user: str) -> dict[str, list[str]]:
    """Way -> the command that asks it; nothing of our own PATH is left."""
    login = [*_BARE, "bash", "-lc", _SAY]
    return {
        "a login shell of root": login,
        f"a login shell of {user}": ["runuser", "-u", user, "--", *login],
        "cron and units (/usr/bin alone)": [*_BARE, "PATH=/usr/bin:/bin", "sh", "-c", _SAY],
        "sudo": ["runuser", "-u", user, "--", *_BARE, "PATH=/usr/bin:/bin", "sudo", "-n", "sh", "-c", _SAY],
    }


def _wrong(target: Host, plan: Plan, command: list[str]) -> str:
    """What is wrong with the Ruby that a command finds; empty when it is the planned one."""
    lines = target.shell.run(shlex.join(command)).text.split("\n")
    if len(lines) < 2:
        return "no ruby"
    program, version = lines[-2:]
    wanted = plan.ruby.version.split(".")
    prefix = plan.ruby.tarball.prefix if plan.ruby.tarball else None
    if version.split(".")[: len(wanted)] != wanted or (prefix and not program.startswith(f"{prefix}/")):
        return f"{version} ({program})"
    return ""


@pytest.mark.ruby_installed
def check_ruby_is_the_planned_one(target: Host, plan: Plan) -> None:
    """Every login shell, cron, units and sudo find Ruby, at the planned version and from the planned place."""
    wrong = {way: said for way, command in _ways(plan.target.user).items() if (said := _wrong(target, plan, command))}
    if wrong:
        raise NoGo(
            "Ruby on the target",
            expected=f"{plan.ruby.version}" + (f" below {plan.ruby.tarball.prefix}" if plan.ruby.tarball else ""),
            found="; ".join(f"{way}: {said}" for way, said in wrong.items()),
            remedy=f"{MEND}; another Ruby in /usr/bin belongs into ruby.remove",
        )


@pytest.mark.release_copied
def check_application_finds_the_planned_ruby(target: Host, plan: Plan) -> None:
    """A login shell of the application's user finds the planned Ruby."""
    user = plan.application.user
    wrong = _wrong(target, plan, ["runuser", "-u", user, "--", *_BARE, "bash", "-lc", _SAY])
    if wrong:
        raise NoGo(
            f"Ruby in a login shell of {user} on the target", expected=plan.ruby.version, found=wrong, remedy=MEND
        )


@pytest.mark.ruby_installed
def check_ruby_loads_its_native_parts(target: Host) -> None:
    """Ruby loads what it was built with: OpenSSL, zlib and YAML."""
    script = 'OpenSSL::Digest.new("SHA256"); Zlib.crc32("x"); YAML.load("a: 1"); puts "loaded"'
    done = target.shell.run(
        shlex.join([*_BARE, "bash", "-lc", f"ruby -ropenssl -rzlib -rpsych -ryaml -e {shlex.quote(script)}"])
    )
    if not done.text.endswith("loaded\n"):
        raise NoGo(
            "openssl, zlib and psych of Ruby on the target",
            expected="all load",
            found=done.errors.partition("\n")[0] or f"exit code {done.code}",
            remedy="add their development packages (libssl-dev, zlib1g-dev, libyaml-dev) to ruby.packages, and install anew",
        )


@pytest.mark.ruby_installed
def check_native_gems_can_be_built(target: Host) -> None:
    """A compiler and Ruby's own headers are there: gems with native code can be built."""
    script = (
        "for tool in gcc make; do command -v $tool >/dev/null || echo $tool; done; "
        "header=$(ruby -rrbconfig -e 'print RbConfig::CONFIG[\"rubyhdrdir\"]' 2>/dev/null)/ruby.h; "
        '[ -e "$header" ] || echo ruby.h'
    )
    missing = target.check(["bash", "-lc", script]).split()
    if missing:
        raise NoGo(
            "what native gems are built with",
            expected="gcc, make, ruby.h",
            found=f"without {', '.join(missing)}",
            remedy=MEND,
        )


@pytest.mark.ruby_installed
def check_rubygems_is_there(target: Host) -> None:
    """RubyGems and Bundler run for whoever logs in."""
    found = [tool for tool in ("gem", "bundle") if not target.succeeds(["bash", "-lc", f"{tool} --version >/dev/null"])]
    if found:
        raise NoGo(
            "RubyGems on the target", expected="gem and bundle run", found=f"not: {', '.join(found)}", remedy=MEND
        )


@pytest.mark.ruby_installed
def check_dated_package_is_gone(dated_package: str, target: Host) -> None:
    """The dated package is no longer installed."""
    if target.package(dated_package).is_installed:
        raise NoGo(
            f"the package {dated_package} on the target", expected="not installed", found="installed", remedy=MEND
        )


@pytest.mark.ruby_installed
def check_tarball_is_the_planned_one(tarball: Tarball, target: Host) -> None:
    """The Ruby below the prefix was installed whole, from the tarball whose SHA-256 the plan gives."""
    mark = str(tarball_mark(tarball))
    found = target.check(["sh", "-c", 'cat -- "$1" 2>/dev/null || true', "mark", mark]).strip()
    if found != tarball.sha256:
        raise NoGo(
            f"{mark} on the target", expected=tarball.sha256, found=found or "absent: not installed whole", remedy=MEND
        )
