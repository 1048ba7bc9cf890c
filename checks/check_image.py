"""There is an image of the finished target, fit to launch another one from."""

from datetime import timedelta

import pytest

from checks.equality import must_be_none, must_equal
from fixtures import states
from fixtures.connect.cloud import PLAN_TAG, RUN_TAG
from fixtures.errors import NoGo
from fixtures.facts.fact import CloudFact
from fixtures.facts.images import MachineImage, image
from fixtures.facts.wanted import in_cloud
from fixtures.plan import Plan
from fixtures.run.evidence import Verdict, now
from fixtures.run.journal import GateJudged, StepFinished
from fixtures.run.records import MadeImage, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.image_made

AGAIN = "run `gonogo run --until image_made`: it makes a new image"


def _made(run: Run) -> CloudFact[list[MachineImage]]:
    """The image of this run's record, as EC2 shows it now."""
    return image(run.records(MadeImage).image_id)


def check_image_is_available(run: Run, images: list[MachineImage] = in_cloud(_made)) -> None:
    """The image is in EC2, available."""
    known = run.records(MadeImage)
    found = images[0].state if images else "absent"
    must_equal(f"the image {known.image_id}", expected="available", found=found, remedy=AGAIN)


def check_image_is_tagged(plan: Plan, run: Run, images: list[MachineImage] = in_cloud(_made)) -> None:
    """The image says which plan and run it belongs to."""
    expected = {PLAN_TAG: plan.name, RUN_TAG: run.name}
    found = {name: value for name, value in images[0].tags.items() if name in expected} if images else {}
    must_equal(f"the tags of {run.records(MadeImage).image_id}", expected=expected, found=found or "none", remedy=AGAIN)


def check_image_has_no_data_disk(plan: Plan, run: Run, images: list[MachineImage] = in_cloud(_made)) -> None:
    """The image is of the root disk alone: the data mount is not in it."""
    found = images[0].further_disks if images else ("the image is absent",)
    must_be_none(
        f"the disks of {run.records(MadeImage).image_id}",
        expected=f"the root alone, nothing for {plan.target.volume.mount}",
        found=found,
        remedy=AGAIN,
    )


def check_image_is_of_this_target(run: Run) -> None:
    """The image was made of this run's target."""
    expected, found = run.records(TargetFacts).instance_id, run.records(MadeImage).instance_id
    must_equal("the image's instance", expected=expected, found=found, remedy=AGAIN)


def check_image_is_recent(plan: Plan, run: Run) -> None:
    """The image is not older than the plan allows."""
    known = run.records(MadeImage)
    age = now() - known.made
    if age > timedelta(days=plan.cutover.image_days):
        raise NoGo(
            f"the age of {known.image_id}",
            expected=f"at most {plan.cutover.image_days} days",
            found=f"{age.total_seconds() / 86400:.1f} days",
            remedy=AGAIN,
        )


def check_image_is_of_the_finished_target(run: Run) -> None:
    """Nothing was built on the target after the image was made."""
    known = run.records(MadeImage)
    order = states.names()
    built = set(order[order.index("ssh_ready") : order.index("data_copied")])
    later, gave = [], []
    for entry in run.entries():
        if isinstance(entry, GateJudged):
            gave = entry.states
        elif isinstance(entry, StepFinished) and entry.at > known.made and built & set(gave):
            later.append(entry.step)
    if later:
        raise NoGo(
            f"the image {known.image_id}, made {known.made:%Y-%m-%d %H:%M} UTC",
            expected="made after the last build step",
            found=f"finished later: {', '.join(later)}",
            remedy=AGAIN,
        )


def check_instance_of_the_image_is_as_built(run: Run) -> None:
    """An instance that was launched from the image booted, and passed the build's own checks."""
    known = run.records(MadeImage)
    boot = known.scratch
    found = (
        "not tried"
        if boot is None
        else f"{boot.verdict.value}, {boot.checks} checks: {'; '.join(check.id for check in boot.failed)}"
    )
    if boot is None or boot.verdict is not Verdict.GO or boot.checks <= 0 or boot.failed:
        raise NoGo(
            f"a scratch instance of {known.image_id}", expected="every build check go", found=found, remedy=AGAIN
        )


def check_image_holds_no_keys(run: Run) -> None:
    """On an instance of the image there was no SSH, host or AWS key and nothing below the data mount, and the quarantine held."""
    known = run.records(MadeImage)
    boot = known.scratch
    found = ["it was not tried"] if boot is None else boot.leftovers
    must_be_none(
        f"a scratch instance of {known.image_id}",
        expected="no key, no data, and the quarantine held",
        found=found,
        remedy=f"remove it from the target, then {AGAIN}",
    )
