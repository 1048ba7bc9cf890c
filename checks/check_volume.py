"""The data volume is really mounted, now and at every boot."""

import pytest

from fixtures.evidence import TargetFacts
from fixtures.host import Host
from fixtures.plan import Plan
from fixtures.run import Run
from fixtures.verdict import problem

pytestmark = pytest.mark.data_mounted


def check_data_mount_is_the_volume(target: Host, plan: Plan) -> None:
    """The data mount is a mount of the data volume's file system, not a directory on the root disk."""
    volume = plan.target.volume
    shown = target.check(
        ["sh", "-c", 'findmnt -rno SOURCE,FSTYPE,SIZE -b --mountpoint "$1" || true', "-", str(volume.mount)]
    )
    size = int(shown.split()[2]) if shown.strip() else 0
    good = shown.split()[1:2] == [volume.filesystem] and 0.8 * volume.size_gib * 2**30 < size <= volume.size_gib * 2**30
    assert good, problem(
        f"{volume.mount} on the target",
        expected=f"a mount of the data volume, {volume.filesystem}, {volume.size_gib} GiB",
        found=shown.strip() or "no mount",
        remedy=f"mount {volume.mount}, or run `gonogo run --until data_mounted`",
    )


def check_fstab_mounts_it_at_boot(target: Host, plan: Plan, run: Run) -> None:
    """Fstab mounts the file system that is mounted now, by UUID, and the host boots without it (nofail)."""
    mount = str(plan.target.volume.mount)
    uuid = target.check(["sh", "-c", 'findmnt -rno UUID --mountpoint "$1" || true', "-", mount]).strip()
    if not uuid:  # where udev does not run, the device itself is asked
        uuid = target.check(
            ["sh", "-c", 'blkid -o value -s UUID "$(findmnt -rno SOURCE --mountpoint "$1")" || true', "-", mount]
        ).strip()
    lines = [line.split() for line in target.read_file("/etc/fstab").splitlines() if not line.startswith("#")]
    found = [fields for fields in lines if len(fields) > 3 and fields[1] == mount]
    good = len(found) == 1 and uuid and found[0][0] == f"UUID={uuid}" and "nofail" in found[0][3].split(",")
    assert good, problem(
        f"{mount} in fstab ({run.records(TargetFacts).volume_id})",
        expected=f"one line: UUID={uuid or '?'}, with nofail",
        found="; ".join(" ".join(fields) for fields in found) or "no line",
        remedy="run `gonogo run --until data_mounted`",
    )


def check_data_mount_has_room(target: Host, plan: Plan) -> None:
    """The data mount has space and inodes left: at least a tenth."""
    mount = str(plan.target.volume.mount)
    used = [
        int(word.rstrip("%")) for word in target.check(["df", "--output=pcent,ipcent", mount]).split("\n")[1].split()
    ]
    assert max(used) <= 90, problem(
        f"{mount} on the target", expected="at most 90 % used", found=f"{used[0]} % of space, {used[1]} % of inodes",
        remedy="enlarge target.volume.size_gib",
    )  # fmt: skip
