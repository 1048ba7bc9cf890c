"""Ruby on the target, from packages or from a tarball with an installer of its own; and the gems of production's bundle."""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.facts.runtimes.ruby import OfRuby
from fixtures.plan import Tarball
from fixtures.run.places import tarball_mark
from fixtures.run.run import Run
from fixtures.scripts import script, text, with_arguments
from steps.build.runtimes.work import Work, to_install
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


def install(target: Host, work: Work, ruby: OfRuby) -> None:
    """Install Ruby from a tarball, where the plan has one."""
    if ruby.part.tarball is not None:
        _install_tarball(target, work.run, ruby.part.tarball)


def _install_tarball(target: Host, run: Run, tarball: Tarball) -> None:
    mark = str(tarball_mark(tarball))
    done = target.check(["sh", "-c", 'cat -- "$1" 2>/dev/null || true', "mark", mark]).strip() == tarball.sha256
    if not done:
        if not target.succeeds(["sh", "-c", "command -v curl"]):
            packages.install(target, run, "install_runtimes-curl", ["curl", "ca-certificates"])
        run_unit(target, run, "install_runtimes-ruby", install_script(tarball), INSTALL_LIMIT)
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


def bring(target: Host, work: Work, ruby: OfRuby) -> None:
    """Install every gem of production's bundle that is still missing, and what else the release's lock names."""
    if ruby.part.index is not None and (lacking := to_install(work.wanted(ruby), work.found(target, ruby))):
        run_unit(target, work.run, "bring_dependencies-ruby", gems_script(ruby.part.index, lacking), 1800)
    if ruby.part.tarball is not None:
        link_programs(target, ruby.part.tarball.prefix)


def gems_script(source: str, gems: Mapping[str, str]) -> str:
    """The script that installs the gems, from that source alone, and names the native library that one lacks."""
    names = [f"{gem}:{version}" for gem, version in sorted(gems.items())]
    install = ["gem", "install", "--clear-sources", "--source", source, "--no-document", *names]
    return f"export LC_ALL=C.UTF-8 HOME=/root\nexec {shlex.join(install)}\n"
