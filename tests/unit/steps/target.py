"""A target as steps meet it: a run that launched it, and stand-ins for its host and its cloud."""

from dataclasses import dataclass, field

import pytest

from fixtures.connect.cloud import Instance
from fixtures.run.records import Survey
from fixtures.run.run import Run
from tests.unit.example import FACTS

SURVEY = Survey(
    machine_id="source-machine", system_identifier="7001", server_version="15.4", encoding="UTF8", collation="C.UTF-8",
    ctype="C.UTF-8", tables=[], sequences=[], extensions={}, release="/r",
    release_digest="", release_packages=[], environment=[], secret_files=[], time_zone="Etc/UTC", files={}, units={},
    unit_users={}, answers={}, ready_seconds={}, health={},
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "20260101T000000Z-smallpayroll")
    (run.directory / "records").mkdir(parents=True)
    run.record(FACTS)
    run.record(SURVEY)
    return run


class Cloud:
    def __init__(self, ec2=None, found=None):
        self.ec2 = ec2
        self.found = found

    def verify_account(self):
        pass

    def instance(self):
        return self.found


@dataclass
class Target:
    """A host that answers from a list and keeps what it was asked."""

    answers: list = field(default_factory=list)
    address: str = "192.0.2.4"
    opened: bool = False
    asked: list = field(default_factory=list)

    def check(self, argv, **_):
        self.asked.append(list(argv))
        return self.answers.pop(0)

    def succeeds(self, argv, **_):
        self.asked.append(list(argv))
        return self.opened


def cloud_with(**changes):
    known = {
        "id": "i-1", "state": "running", "image": "", "type": "", "key_name": "", "subnet": "", "private_address": None,
        "public_address": "192.0.2.4", "security_groups": {}, "volumes": {}, "tags": {},
    }  # fmt: skip
    return Cloud(found=Instance(**(known | changes)))
