"""The image that was made of the target: the checks, each seen red."""

from dataclasses import replace
from datetime import timedelta

import pytest

from checks import check_image
from fixtures.errors import NoGo
from fixtures.run.evidence import CheckResult, Occasion, Problem, Verdict, now
from fixtures.run.journal import GateJudged, StepFinished
from fixtures.run.run import Run
from tests.unit.example import FACTS, PLAN
from tests.unit.images import AMI, BOOT, MADE


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "20260101T000000Z-smallpayroll")
    (run.directory / "records").mkdir(parents=True)
    run.record(FACTS)
    run.record(MADE)
    return run


def test_image_with_data_disk_or_foreign_tags_or_gone(run):
    good = replace(AMI, tags={"gonogo:plan": PLAN.name, "gonogo:run": run.name})
    check_image.check_image_is_available(run, [good])
    check_image.check_image_is_tagged(PLAN, run, [good])
    check_image.check_image_has_no_data_disk(PLAN, run, [good])
    with pytest.raises(NoGo, match="absent"):
        check_image.check_image_is_available(run, [])
    with pytest.raises(NoGo, match="the tags of"):
        check_image.check_image_is_tagged(PLAN, run, [AMI])
    with pytest.raises(NoGo, match="/dev/xvdf"):
        check_image.check_image_has_no_data_disk(PLAN, run, [replace(AMI, disks=("/dev/xvda", "/dev/xvdf"))])


def test_image_too_old_or_of_another_instance(run):
    check_image.check_image_is_recent(PLAN, run)
    check_image.check_image_is_of_this_target(run)
    run.record(MADE.model_copy(update={"made": now() - timedelta(days=8), "instance_id": "i-9"}))
    with pytest.raises(NoGo, match=r"8\.0 days"):
        check_image.check_image_is_recent(PLAN, run)
    with pytest.raises(NoGo, match="i-9"):
        check_image.check_image_is_of_this_target(run)


def judged(state):
    return GateJudged(number=1, states=[state], occasion=Occasion.AFTER, verdict=Verdict.GO)


def test_image_older_than_a_build_step(run):
    run.journal(judged("application_running"))
    run.journal(StepFinished(step="start_application"))
    check_image.check_image_is_of_the_finished_target(run)
    run.journal(judged("dependencies_installed"))
    run.journal(StepFinished(step="bring_dependencies"))
    with pytest.raises(NoGo, match="finished later: bring_dependencies"):
        check_image.check_image_is_of_the_finished_target(run)


BAD = CheckResult(
    id="a gem", claim="", states=[], function="", file="", line=1, outcome=Verdict.NO_GO,
    problem=Problem(subject="a gem", expected="there", found="absent", remedy="install it"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (None, check_image.check_instance_of_the_image_is_as_built),
        ({"verdict": Verdict.NO_GO, "failed": [BAD]}, check_image.check_instance_of_the_image_is_as_built),
        ({"checks": 0}, check_image.check_instance_of_the_image_is_as_built),
        (None, check_image.check_image_holds_no_keys),
        ({"leftovers": ["a private key in /root/.ssh/id_rsa"]}, check_image.check_image_holds_no_keys),
    ],
)
def test_image_that_was_not_tried_or_failed(run, change, check):
    check(run)
    run.record(MADE.model_copy(update={"scratch": BOOT.model_copy(update=change) if change is not None else None}))
    with pytest.raises(NoGo, match="scratch instance of ami-2"):
        check(run)
