"""The pack of application servers."""

from fixtures.connect.cloud import Cloud
from fixtures.connect.host import Host
from fixtures.plan import Plan
from fixtures.run.run import Run
from steps.engine import guards
from steps.step import step


@step(needs=["gems_installed", "target_quarantined"], gives=["pack_configured"], harmless=True)
def configure_pack(plan: Plan, run: Run, target: Host, cloud: Cloud) -> None:
    """Have the application servers start at boot; they are not started before there is data."""
    guards.prove_target(target, run, plan, cloud)
    target.check(["systemctl", "enable", "--quiet", "--", *plan.application.pack])
