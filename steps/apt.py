"""Debian packages on the target."""

import re
from collections.abc import Sequence

from fixtures.errors import StepFailed
from fixtures.host import Host
from fixtures.run import Run
from steps.units import run_unit

LIMIT = 1800.0
"""Seconds that an installation may take."""

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_INSTALL = """
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# What an interrupted installation left is put right first. The lists have no lock one can wait for, so try again.
apt="apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold"
dpkg --force-unsafe-io --force-confold --configure -a
for try in 1 2 3 4 5; do
  if $apt update -o APT::Update::Error-Mode=any; then break; fi
  [ "$try" != 5 ] || exit 1
  sleep 3
done
exec $apt install --yes --no-install-recommends -- {packages}
"""


def install(target: Host, run: Run, step: str, packages: Sequence[str]) -> None:
    """Have the packages installed; asks no mirror when they all are. Raises `StepFailed` with apt's last words."""
    wanted = missing(packages, target.check(installed_command(packages)))
    if wanted:
        run_unit(target, run, f"{step}-apt", install_script(wanted), LIMIT)


def installed_command(packages: Sequence[str]) -> list[str]:
    """The command that prints a line "STATUS NAME" for each of the packages that dpkg knows."""
    return ["sh", "-c", 'dpkg-query -W -f "\\${db:Status-Status} \\${Package}\\n" -- "$@" 2>/dev/null || true', "-",
            *packages]  # fmt: skip


def missing(packages: Sequence[str], shown: str) -> list[str]:
    """Those packages that the output of `installed_command` does not show as installed."""
    present = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in present]


def install_script(packages: Sequence[str]) -> str:
    """The script that installs the packages; raises `StepFailed` for what is no package's name."""
    for package in packages:
        if not _NAME.fullmatch(package):
            raise StepFailed(
                "the plan's list of packages",
                expected="names of Debian packages",
                found=repr(package),
                remedy="mend the list in the plan",
            )
    return _INSTALL.replace("{packages}", " ".join(packages))
