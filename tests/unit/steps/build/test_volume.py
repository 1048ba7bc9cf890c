"""The data volume and the instance store: only what is blank and ours is formatted."""

import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.run import places
from steps.build import volume
from tests.unit.example import FACTS, PLAN, VOLUME
from tests.unit.steps import target as targets
from tests.unit.steps.target import Target, cloud_with

run = targets.run


def test_file_system_has_the_volumes_own_uuid():
    number = places.filesystem_uuid(VOLUME)
    disk = PLAN.target.volume
    assert number == places.filesystem_uuid(VOLUME) != places.filesystem_uuid("vol-1")
    assert volume.format_command(disk, "/dev/xvdf", VOLUME) == ["mkfs.ext4", "-q", "-U", number, "/dev/xvdf"]
    assert volume.fstab_line(disk, VOLUME) == (
        f"UUID={number} /mnt ext4 defaults,nofail,x-systemd.device-timeout=30s 0 2"
    )
    xfs = disk.model_copy(update={"filesystem": "xfs"})
    assert volume.format_command(xfs, "/dev/xvdf", VOLUME) == ["mkfs.xfs", "-q", "-m", f"uuid={number}", "/dev/xvdf"]


GIB = 1024**3


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (f"{8 * GIB}\n-\n", "100 GiB"),
        (f"{100 * GIB}\n/srv\n", "mounted at /srv"),
        (f"{100 * GIB}\n-\n{places.filesystem_uuid('vol-1')} ext4 ", "blank"),
        (f"{100 * GIB}\n-\ndos ", "blank"),
        (f"{100 * GIB}\n-\n{places.filesystem_uuid(VOLUME)} ext4 0x1 gpt ", "blank"),
    ],
)
def test_a_volume_that_is_not_blank_is_never_formatted(run, answer, complaint):
    target = Target([answer])
    with pytest.raises(Refused, match=complaint):
        volume._format_if_blank(target, run, PLAN.target.volume, "/dev/xvdf", FACTS)
    assert len(target.asked) == 1


def test_our_own_file_system_is_known_again(run):
    target = Target([f"{100 * GIB}\n/mnt\n{places.filesystem_uuid(VOLUME)} ext4 "])
    assert volume._format_if_blank(target, run, PLAN.target.volume, "/dev/xvdf", FACTS) == "/mnt"


STORE = PLAN.target.volume.model_copy(update={"kind": "instance-store", "size_gib": 69})
NO_VOLUME = FACTS.model_copy(update={"volume_id": ""})


def test_an_instance_store_is_found_by_its_model_or_by_the_plans_name(run):
    for found, device in (("/dev/nvme1n1\n", "/dev/nvme1n1"), ("/dev/nvme1n1\n/dev/xvdf\n", "/dev/xvdf")):
        assert volume._store(Target([found, ""]), STORE, NO_VOLUME, cloud_with()) == device
    with pytest.raises(StepFailed, match="instance type"):
        volume._store(Target([""]), STORE, NO_VOLUME, cloud_with())


@pytest.mark.parametrize(
    ("said", "volumes", "complaint"),
    [
        ("it holds the root file system\n", {}, "root file system"),
        ("it has partitions\nanother device is built on it\n", {}, "partitions; another"),
        ("", {"/dev/sdf": "vol-1"}, "EBS volume"),
        ("", {"/dev/xvdf": "vol-1"}, "EBS volume"),
    ],
)
def test_a_disk_that_is_something_else_is_no_instance_store(run, said, volumes, complaint):
    with pytest.raises(Refused, match=complaint):
        volume._store(Target(["/dev/xvdf\n", said]), STORE, NO_VOLUME, cloud_with(volumes=volumes))


def test_an_instance_stores_size_is_no_whole_number_of_gib():
    assert volume.right_size(STORE, 75 * 10**9)
    assert not volume.right_size(STORE, 8 * GIB)
    assert volume.right_size(PLAN.target.volume, 100 * GIB)
    assert not volume.right_size(PLAN.target.volume, 100 * GIB - 512)
