"""The modules of production's directory, from an index."""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.runtimes.node import OfNode
from fixtures.scripts import text, with_arguments
from steps.build.runtimes.work import Work, unusable
from steps.tools.units import run_unit

_FILL = text(__file__, "fill_modules.sh")
LIMIT = 3600.0
"""Seconds that fetching and building may take."""


def bring(target: Host, work: Work, node: OfNode) -> None:
    """Install what the release's lock names, from the index, where something of production's is missing or is more."""
    index, directory = node.part.index, node.directory
    if index is None or directory is None:
        return
    wanted, found = work.wanted(node), work.found(target, node)
    if not unusable(wanted, found) and not found.present.keys() - wanted.keys():
        return
    release = directory.parent
    lock = f"{release}/package-lock.json"
    if not target.succeeds(["test", "-r", lock]):
        raise StepFailed(
            f"{lock} on the target",
            expected="the versions that npm installed on production",
            found="absent",
            remedy='say bring = "as_is" in the [[runtime]] of kind node, or put the lock into the release on production',
        )
    owner, group = work.source.check(["stat", "-L", "-c", "%U %G", "--", str(directory)]).split()
    left_out = kinds_left_out(target.read_file(lock), wanted)
    run_unit(
        target, work.run, "bring_dependencies-node",
        fill_script(release, owner, group, str(node.part.prefix or ""), index, left_out), LIMIT,
    )  # fmt: skip


def kinds_left_out(lock: str, wanted: Iterable[str]) -> list[str]:
    """The kinds of packages that the lock names and production has none of: those for development, and optional ones."""
    there = set(wanted)
    packages = json.loads(lock).get("packages", {})
    left_out = []
    for kind in ("dev", "optional"):
        of_kind = {name.removeprefix("node_modules/") for name, one in packages.items() if one.get(kind)}
        if of_kind and not of_kind & there:
            left_out.append(f"--omit={kind}")
    return left_out


def fill_script(
    release: PurePosixPath, owner: str, group: str, prefix: str, index: str, left_out: Iterable[str]
) -> str:
    """The script that installs what the lock names, from that index alone."""
    return with_arguments(_FILL, release, owner, group, prefix, index, *left_out)
