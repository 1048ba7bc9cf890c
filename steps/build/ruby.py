"""Ruby on the target: dated packages removed, then from packages, or from a tarball with an installer of its own."""

import shlex
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.plan import Plan, Tarball
from fixtures.run.places import tarball_mark
from fixtures.run.run import Run
from fixtures.scripts import script, text, with_arguments
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit

SOURCES = PurePosixPath("/usr/local/src/gonogo-ruby")
"""Where the tarball is kept and unpacked: root's alone to write."""
PROFILE = PurePosixPath("/etc/profile.d/gonogo-ruby.sh")
"""What puts the prefix first on every login shell's PATH."""
INSTALL_LIMIT = 5400.0
"""Seconds that fetching and installing may take."""

_INSTALL = text(__file__, "install_tarball.sh")
_LINK = script(__file__, "link_programs.sh")


@step(needs=["data_mounted"], gives=["ruby_installed"], harmless=True)
def install_ruby(plan: Plan, run: Run, target: Host) -> None:
    """Remove the dated Ruby where the plan says so, install the planned one, and what native gems are built with."""
    packages.remove(target, run, "install_ruby", plan, plan.ruby.remove)
    packages.install(target, run, "install_ruby", plan.ruby.packages)
    if plan.ruby.tarball is not None:
        _install_tarball(target, run, plan.ruby.tarball)


def _install_tarball(target: Host, run: Run, tarball: Tarball) -> None:
    mark = str(tarball_mark(tarball))
    done = target.check(["sh", "-c", 'cat -- "$1" 2>/dev/null || true', "mark", mark]).strip() == tarball.sha256
    if not done:
        if not target.succeeds(["sh", "-c", "command -v curl"]):
            packages.install(target, run, "install_ruby-curl", ["curl", "ca-certificates"])
        run_unit(target, run, "install_ruby", install_script(tarball), INSTALL_LIMIT)
    target.write_file(str(PROFILE), profile(tarball.prefix))
    link_programs(target, tarball.prefix)


def install_script(tarball: Tarball) -> str:
    """The script that fetches, proves, unpacks and installs the tarball; interrupted, it begins anew."""
    return with_arguments(
        _INSTALL, tarball.url, tarball.sha256, SOURCES, tarball.prefix, tarball_mark(tarball), *tarball.installer
    )


def profile(prefix: PurePosixPath) -> str:
    """What a login shell reads."""
    programs = prefix / "bin"
    return f'# Written by gonogo: the planned Ruby comes first.\ncase "$PATH:" in\n  {shlex.quote(str(programs))}:*) ;;\n  *) PATH={shlex.quote(str(programs))}:$PATH ;;\nesac\nexport PATH\n'


def link_programs(target: Host, prefix: PurePosixPath) -> None:
    """Have every program of the prefix in /usr/bin too, where no other one has its name."""
    target.check([*_LINK, str(prefix)])
