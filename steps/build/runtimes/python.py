"""The distributions of production's virtual environment, from an index."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.facts.runtimes.python import OfPython
from fixtures.run.records import Dependency
from fixtures.scripts import text, with_arguments
from steps.build.runtimes.work import Work, unusable
from steps.tools.units import run_unit

_FILL = text(__file__, "fill_environment.sh")
LIMIT = 3600.0
"""Seconds that fetching and building may take."""


def bring(target: Host, work: Work, python: OfPython) -> None:
    """Make the virtual environment, install what it lacks of production's, and take away what production does not have."""
    index, directory = python.part.index, python.directory
    if index is None or directory is None:
        return
    wanted = work.wanted(python)
    owner, group = work.source.check(["stat", "-L", "-c", "%U %G", "--", str(directory)]).split()

    def fill(lacking: Iterable[str], more: Iterable[str] = ()) -> None:
        script = fill_script(directory, owner, group, python.base, index, requirements(wanted, lacking), more)
        run_unit(target, work.run, "bring_dependencies-python", script, LIMIT)

    if not target.succeeds(["test", "-x", python.interpreter]):
        fill(wanted)
    found = work.found(target, python)
    lacking, more = unusable(wanted, found), sorted(found.present.keys() - wanted.keys())
    if lacking or more:
        fill(lacking, more)


def requirements(wanted: Mapping[str, Dependency], names: Iterable[str]) -> list[str]:
    """What pip is told for these: the version, or where production has it from."""
    told = []
    for name in sorted(names):
        one = wanted[name]
        if one.origin.startswith("-e "):
            told += one.origin.split(" ", 1)
        else:
            told.append(f"{name} @ {one.origin}" if one.origin else f"{name}=={one.version}")
    return told


def fill_script(
    directory: PurePosixPath,
    owner: str,
    group: str,
    interpreter: str,
    index: str,
    wanted: Iterable[str],
    more: Iterable[str],
) -> str:
    """The script that makes the environment and fills it, from that index alone."""
    going = list(more)
    return with_arguments(_FILL, directory, owner, group, interpreter, index, len(going), *going, *wanted)
