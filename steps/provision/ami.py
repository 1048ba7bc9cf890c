"""A look at the image before anything is launched from it."""

from fixtures.connect.cloud import Cloud
from fixtures.errors import StepFailed
from fixtures.facts.images import find_image
from fixtures.plan import Plan
from fixtures.run.records import AmiFacts
from fixtures.run.run import Run
from steps.step import step


@step(needs=["source_surveyed"], gives=["ami_inspected"], harmless=True)
def inspect_ami(plan: Plan, run: Run, cloud: Cloud) -> None:
    """Look at the image that the target will be launched from: whose it is, how old, and what it brings along."""
    found = find_image(cloud, plan.target.image)
    if found is None:
        raise StepFailed(
            f"the image {plan.target.image}",
            expected=f"one that account {plan.target.account} may see in {plan.target.region}",
            found="none",
            remedy="correct target.image or target.region in the plan",
        )
    run.record(
        AmiFacts(
            image_id=found.id,
            name=found.name,
            owner=found.owner,
            owner_alias=found.owner_alias,
            state=found.state,
            architecture=found.architecture,
            root_device=found.root_device,
            disks=list(found.disks),
            created=found.created,
            deprecated=found.deprecated,
        )
    )
