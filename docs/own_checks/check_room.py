"""The target's disks have room for more than what was copied."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan

# Yours: how much of a disk must be free, in percent.
LEAST = 20


def read_free(answer: str) -> dict[str, int]:
    """Under a heading, lines of a mount point and how much of it is used, as in "/ 14%"."""
    lines = [line.rsplit(maxsplit=1) for line in answer.splitlines()[1:]]
    return {mount: 100 - int(used.removesuffix("%")) for mount, used in lines}


def free(plan: Plan) -> HostFact[dict[str, int]]:
    """Mount point -> percent that are free, of the root and of the data mount."""
    return HostFact(("df", "--output=target,pcent", "/", str(plan.target.volume.mount)), read_free)


@pytest.mark.files_copied
def check_disks_have_room(percent: dict[str, int] = on_target(free)) -> None:
    """The disks of the target have room."""
    full = {mount: free for mount, free in percent.items() if free < LEAST}
    if full:
        raise NoGo(
            "room on the target's disks",
            expected=f"{LEAST} % free",
            found=", ".join(f"{mount}: {free} %" for mount, free in full.items()),
            remedy="enlarge the volume, or target.volume.size_gib of the plan and launch anew",
        )
