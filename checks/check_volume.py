"""The data volume is really mounted, now and at every boot."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts import mounts
from fixtures.facts.volume import FileSystem, mounted, used
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.run.places import data_disk, filesystem_uuid
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.data_mounted


def check_data_mount_is_the_volume(
    plan: Plan, run: Run, found: FileSystem | None = on_target(lambda plan: mounted(str(plan.target.volume.mount)))
) -> None:
    """The data mount is a mount of the data volume's file system, not a directory on the root disk."""
    volume, disk = plan.target.volume, data_disk(run.records(TargetFacts))
    most = (volume.size_gib + (volume.kind == "instance-store")) * 2**30
    if found is None or found[:2] != (volume.filesystem, filesystem_uuid(disk)) or found.bytes > most:
        raise NoGo(
            f"{volume.mount} on the target",
            expected=f"a mount of the disk of {disk}: {volume.filesystem}, UUID {filesystem_uuid(disk)}",
            found=" ".join(map(str, found)) if found else "no mount",
            remedy=f"`mount {volume.mount}` on the target, or run `gonogo run --until data_mounted`",
        )


def check_fstab_mounts_it_at_boot(plan: Plan, run: Run, fstab: list[mounts.Mount] = on_target(mounts.FSTAB)) -> None:
    """Fstab mounts the data volume's file system by UUID, and the host boots without it (nofail)."""
    mount, uuid = str(plan.target.volume.mount), filesystem_uuid(data_disk(run.records(TargetFacts)))
    found = [line for line in fstab if line.target == mount]
    good = len(found) == 1 and found[0].source == f"UUID={uuid}" and "nofail" in found[0].options
    if not good:
        raise NoGo(
            f"{mount} in fstab on the target",
            expected=f"one line: UUID={uuid}, with nofail",
            found="; ".join(f"{line.source}, {','.join(line.options)}" for line in found) or "no line",
            remedy="run `gonogo run --until data_mounted`",
        )


def check_data_mount_has_room(
    plan: Plan, percent: tuple[int, int] = on_target(lambda plan: used(str(plan.target.volume.mount)))
) -> None:
    """The data mount has space and inodes left: at least a tenth."""
    mount, (space, inodes) = plan.target.volume.mount, percent
    if max(space, inodes) > 90:
        raise NoGo(
            f"{mount} on the target",
            expected="at most 90 % used",
            found=f"{space} % of space, {inodes} % of inodes",
            remedy=f"delete what nobody needs under {mount}; or enlarge the volume in the EC2 console, its file system on the target, and "
            "target.volume.size_gib in the plan",
        )
