"""Packages on the target: one seam over two families, apt and dnf, chosen by what the target says it is."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fixtures.connect.host import Host
from fixtures.errors import Refused, StepFailed
from fixtures.plan import Plan
from fixtures.run.run import Run
from fixtures.scripts import text, with_arguments
from steps.tools.units import run_unit

log = logging.getLogger(__name__)

LIMIT = 1800.0
"""Seconds that an installation may take."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


@dataclass(frozen=True)
class Family:
    """The package tool of one family of distributions: a script, and commands that end with the names of packages."""

    name: str
    installed: tuple[str, ...]
    """Prints a line "installed NAME" for each of the packages that is."""
    script: str
    """Takes "install" or "remove", and the packages."""
    simulate: tuple[str, ...]
    """Prints what removing the packages would take away."""
    going: re.Pattern[str]
    """Finds the names in what `simulate` prints."""

    def installed_command(self, packages: Sequence[str]) -> list[str]:
        """The command that tells which of the packages are installed."""
        return [*self.installed, *_names(packages)]

    def install_script(self, packages: Sequence[str]) -> str:
        """The script that installs the packages, and first mends what an interrupted one left."""
        return with_arguments(self.script, "install", *_names(packages))

    def simulate_command(self, packages: Sequence[str]) -> list[str]:
        """The command that changes nothing and prints what removing the packages would take away."""
        return [*self.simulate, *_names(packages)]

    def would_go(self, shown: str) -> set[str]:
        """The names in what `simulate_command` printed."""
        return set(self.going.findall(shown))

    def remove_script(self, packages: Sequence[str]) -> str:
        """The script that removes the packages; their configuration stays."""
        return with_arguments(self.script, "remove", *_names(packages))


APT = Family(
    name="apt",
    installed=("sh", "-c", 'dpkg-query -W -f "\\${db:Status-Status} \\${Package}\\n" -- "$@" 2>/dev/null || true', "-"),
    script=text(__file__, "apt.sh"),
    simulate=("env", "LC_ALL=C.UTF-8", "apt-get", "--simulate", "--no-auto-remove", "remove", "--"),
    going=re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE),
)
DNF = Family(
    name="dnf",
    installed=("sh", "-c", 'rpm -q --qf "installed %{NAME}\\n" -- "$@" 2>/dev/null || true', "-"),
    script=text(__file__, "dnf.sh"),
    # What rpm would refuse is what dnf would take along. dnf's own table breaks long names over two lines.
    simulate=("sh", "-c", 'LC_ALL=C.UTF-8 rpm --erase --test -- "$@" 2>&1 || true', "-"),
    going=re.compile(r"is needed by \(installed\) (\S+)-[^-\s]+-[^-\s]+$", re.MULTILINE),
)

_FAMILIES = {"debian": APT, "ubuntu": APT, "fedora": DNF, "rhel": DNF, "centos": DNF, "amzn": DNF}


def family(os_release: str) -> Family:
    """The family that a host's /etc/os-release tells; raises `StepFailed` for one that is neither."""
    facts = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line and not line.startswith("#"))
    words = " ".join(facts.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).split()
    found = next((_FAMILIES[word] for word in words if word in _FAMILIES), None)
    if found is None:
        raise StepFailed(
            "the target's distribution",
            expected=f"one of {', '.join(sorted(_FAMILIES))}, or one like them",
            found=" ".join(words) or "nothing in /etc/os-release",
            remedy="choose another image in target.image",
        )
    return found


def install(target: Host, run: Run, step: str, packages: Sequence[str]) -> None:
    """Have the packages installed; asks no mirror when they all are. Raises `StepFailed` with the tool's last words."""
    if not packages:
        return
    tool = family(target.read_file("/etc/os-release"))
    wanted = missing(packages, target.check(tool.installed_command(packages)))
    if wanted:
        run_unit(target, run, f"{step}-{tool.name}", tool.install_script(wanted), LIMIT)


def remove(target: Host, run: Run, step: str, plan: Plan, packages: Sequence[str]) -> None:
    """Remove those of the packages that are there, and nothing else.

    Raises `Refused` before anything is changed when others would go with them, or when the plan itself needs one.
    """
    if not packages:
        return
    tool = family(target.read_file("/etc/os-release"))
    absent = missing(packages, target.check(tool.installed_command(packages)))
    present = [package for package in packages if package not in absent]
    if not present:
        return
    going = tool.would_go(target.check(tool.simulate_command(present), timeout=120))
    refuse_removal(packages, going | set(present), planned(plan))
    log.info("removing %s", ", ".join(present))
    run_unit(target, run, f"{step}-remove", tool.remove_script(present), LIMIT)


def planned(plan: Plan) -> set[str]:
    """Every package that the plan asks for."""
    runtimes = [one.packages for one in plan.runtime]
    lists = [*runtimes, plan.postgresql.packages, plan.application.packages, plan.web.packages]
    return {package for packages in lists for package in packages} | set(plan.redis.packages if plan.redis else [])


def refuse_removal(listed: Sequence[str], going: set[str], needed: set[str]) -> None:
    """Raise `Refused` when more would go than is listed, or something that is needed."""
    wrong = sorted(going & needed)
    more = sorted(going - set(listed))
    if wrong:
        raise Refused(
            "remove in a [[runtime]] of the plan",
            expected="nothing that the plan itself asks for, and nothing that such a package needs",
            found=f"{', '.join(wrong)} would go",
            remedy="take it out of that list, or out of the plan's packages; nothing was changed",
        )
    if more:
        raise Refused(
            "remove in a [[runtime]] of the plan",
            expected="only the listed packages to go",
            found=f"{', '.join(more)} would go with them",
            remedy="add them to that list if they may go; nothing was changed",
        )


def missing(packages: Sequence[str], shown: str) -> list[str]:
    """Those packages that the output of `installed_command` does not show as installed."""
    present = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in present]


def _names(packages: Sequence[str]) -> Sequence[str]:
    for package in packages:
        if not _NAME.fullmatch(package):
            raise StepFailed(
                "the plan's list of packages",
                expected="names of packages",
                found=repr(package),
                remedy="mend the list in the plan",
            )
    return packages
