"""A bucket for backups at an imitation of Amazon, and the plan that names it."""

import hashlib
import json

import pytest

from fixtures.connect.cloud import Cloud
from steps.keep import backup_job as job
from steps.keep import backups
from tests.unit.example import PLAN

ACCOUNT = "123456789012"


def with_(plan, **changes):
    return plan.model_copy(update={name: getattr(plan, name).model_copy(update=new) for name, new in changes.items()})


@pytest.fixture
def plan(endpoint, request, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    bucket = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    return with_(
        PLAN, target={"endpoint": endpoint, "account": ACCOUNT}, backup={"bucket": bucket, "endpoint": endpoint}
    )


@pytest.fixture
def cloud(plan):
    return Cloud(plan)


@pytest.fixture
def bucket(plan, cloud):
    backups.ready_bucket(plan, cloud)
    return job.Bucket(json.loads(backups.configuration(plan)))
