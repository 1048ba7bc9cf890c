"""An image to launch from, and one that was made and tried."""

from fixtures.facts.images import read_images
from fixtures.run.evidence import Verdict, now
from fixtures.run.records import MadeImage, ScratchBoot
from steps.keep import scratch

DESCRIBED = {
    "ImageId": "ami-1", "Name": "debian-12", "OwnerId": "136693071363", "ImageOwnerAlias": "amazon", "State": "available",
    "Architecture": "x86_64", "RootDeviceType": "ebs", "RootDeviceName": "/dev/xvda", "CreationDate": "2026-01-01",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1"}},
                            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}],
    "DeprecationTime": "2028-01-01T00:00:00.000Z", "Tags": [{"Key": "gonogo:plan", "Value": "smallpayroll"}],
}  # fmt: skip
(AMI,) = read_images({"Images": [DESCRIBED]})
BOOT = ScratchBoot(
    instance_id="i-2", states=list(scratch.BUILD), verdict=Verdict.GO, checks=74, failed=[], leftovers=[], seconds=1
)
MADE = MadeImage(image_id="ami-2", name="web-1", instance_id="i-1", made=now(), secrets=True, scratch=BOOT)
