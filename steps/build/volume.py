"""The data disk, an EBS volume or the instance's own store: formatted only when it is blank, and mounted for good."""

from fixtures.connect.cloud import UNTAG, Cloud, kernel_name
from fixtures.connect.host import Host
from fixtures.errors import Refused, StepFailed
from fixtures.facts import mounts
from fixtures.facts.fact import ask
from fixtures.plan import Plan, Volume
from fixtures.run.places import data_disk, filesystem_uuid
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.step import step
from steps.tools import packages
from steps.tools.units import run_unit

FSTAB_BLOCK = "data volume"
"""Names our block in fstab."""

_GIB = 1024**3
_OPTIONS = "defaults,nofail,x-systemd.device-timeout=30s"
_FIND = script(__file__, "find_volume.sh")
_FIND_STORE = script(__file__, "find_instance_store.sh")
_IN_USE = script(__file__, "disk_in_use.sh")
_LOOK = script(__file__, "look_at_disk.sh")
_MOUNT = script(__file__, "mount_volume.sh")


@step(needs=["ssh_ready"], gives=["data_mounted"], harmless=True)
def mount_data_volume(plan: Plan, run: Run, target: Host, cloud: Cloud) -> None:
    """Format the blank data volume and mount it, now and at every boot."""
    facts = run.records(TargetFacts)
    volume = plan.target.volume
    if volume.filesystem == "xfs":
        packages.install(target, run, "mount_data_volume", ["xfsprogs"])
    device = _device(target, volume, facts, cloud)
    mounted_at = _format_if_blank(target, run, volume, device, facts)
    _list_in_fstab(target, volume, facts)
    if mounted_at != str(volume.mount):
        target.check([*_MOUNT, str(volume.mount)])


def format_command(volume: Volume, device: str, disk: str) -> list[str]:
    """The command that makes the file system."""
    number = filesystem_uuid(disk)
    if volume.filesystem == "xfs":
        return ["mkfs.xfs", "-q", "-m", f"uuid={number}", device]
    return ["mkfs.ext4", "-q", "-U", number, device]


def fstab_line(volume: Volume, disk: str) -> str:
    """The line that mounts the volume at boot, by its UUID; without the volume the host still boots."""
    number = filesystem_uuid(disk)
    return f"UUID={number} {volume.mount} {volume.filesystem} {_OPTIONS} 0 {2 if volume.filesystem == 'ext4' else 0}"


def _device(target: Host, volume: Volume, facts: TargetFacts, cloud: Cloud) -> str:
    if volume.kind == "instance-store":
        return _store(target, volume, facts, cloud)
    if not facts.volume_id:
        raise StepFailed(
            f"the data volume of {facts.instance_id}",
            expected=f"a volume attached as {volume.device}",
            found="none when the instance was launched",
            remedy=f"see that target.volume.device is a free device name, set this new instance aside ({UNTAG}), and begin anew "
            "with `gonogo run --new`",
        )
    return target.check([*_FIND, volume.device, facts.volume_id]).strip()


def _store(target: Host, volume: Volume, facts: TargetFacts, cloud: Cloud) -> str:
    """The instance's own disk, proven to be no EBS volume, not the root disk, and in nobody's use."""
    disks = target.check([*_FIND_STORE, volume.device]).split()
    if not disks:
        raise StepFailed(
            f"the instance store of {facts.instance_id}",
            expected=f"a disk of its own, as {volume.device} or as an NVMe instance store",
            found="none",
            remedy="choose an instance type that has one, or target.volume.kind ebs",
        )
    device = volume.device if volume.device in disks else disks[0]
    instance = cloud.instance()
    attached = {kernel_name(name) for name in (instance.volumes if instance else {})}
    reasons = target.check([*_IN_USE, device]).splitlines()
    if device in attached:
        reasons.append("the cloud shows an EBS volume there")
    if reasons:
        raise _refused(device, facts, "an instance store that nobody uses", "; ".join(reasons))
    return device


def right_size(volume: Volume, size: int) -> bool:
    """Whether a disk of `size` bytes is the planned one; instance stores come in other sizes than whole GiB."""
    most = 0 if volume.kind == "ebs" else _GIB - 1
    return abs(size - volume.size_gib * _GIB) <= most


def _format_if_blank(target: Host, run: Run, volume: Volume, device: str, facts: TargetFacts) -> str:
    """Where the device is mounted, "-" for nowhere."""
    size, mounted_at, *lines = target.check([*_LOOK, device]).splitlines()
    signature = " ".join(lines).split()
    if not right_size(volume, int(size)):
        raise _refused(device, facts, f"{volume.size_gib} GiB", f"{int(size)} bytes")
    if mounted_at not in ("-", str(volume.mount)):
        raise _refused(device, facts, f"mounted nowhere, or at {volume.mount}", f"mounted at {mounted_at}")
    if not signature:
        command = format_command(volume, device, data_disk(facts))
        run_unit(target, run, "mount_data_volume-mkfs", command, 600)
    elif set(signature) != {filesystem_uuid(data_disk(facts)), volume.filesystem}:
        raise _refused(device, facts, "blank: no signature of any file system", " ".join(signature))
    return mounted_at


def _list_in_fstab(target: Host, volume: Volume, facts: TargetFacts) -> None:
    line = fstab_line(volume, data_disk(facts))
    device, _, _, options, *_ = line.split()
    others = [
        entry
        for entry in ask(target, mounts.FSTAB)
        if entry.target == str(volume.mount) and (entry.source, ",".join(entry.options)) != (device, options)
    ]
    if others:
        raise Refused(
            f"{mounts.PATH} on the target",
            expected=f"no line for {volume.mount} but gonogo's own",
            found=f"{others[0].source}, {','.join(others[0].options)}",
            remedy="remove that line, or name another mount in target.volume.mount, then run the same command again",
        )
    target.edit_block(mounts.PATH, FSTAB_BLOCK, [line], validate=["findmnt", "--verify", "--tab-file", "{file}"])


def _refused(device: str, facts: TargetFacts, expected: str, found: str) -> Refused:
    return Refused(
        f"{device} on the target ({data_disk(facts)})",
        expected=expected,
        found=found,
        remedy="nothing was changed; see in the EC2 console which volume is attached there, and correct target.volume in the plan",
    )
