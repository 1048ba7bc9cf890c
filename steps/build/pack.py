"""The pack of application servers."""

from fixtures.connect.host import Host
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from steps.step import step


@step(needs=["dependencies_installed", "target_quarantined"], gives=["pack_configured"], harmless=True)
def configure_pack(plan: Plan, run: Run, target: Host) -> None:
    """Have the application servers start at boot; they are not started before there is data."""
    enable(target, plan, run)


def enable(target: Host, plan: Plan, run: Run) -> None:
    """Have those application servers start at boot that do on production: what a socket starts does not."""
    known = run.records(Survey).units
    if at_boot := [unit for unit in plan.application.pack if known.get(unit)]:
        target.check(["systemctl", "enable", "--quiet", "--", *at_boot])
