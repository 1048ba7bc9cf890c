"""The pack of application servers."""

from fixtures.connect.host import Host
from fixtures.plan import Plan
from steps.step import step


@step(needs=["dependencies_installed", "target_quarantined"], gives=["pack_configured"], harmless=True)
def configure_pack(plan: Plan, target: Host) -> None:
    """Have the application servers start at boot; they are not started before there is data."""
    target.check(["systemctl", "enable", "--quiet", "--", *plan.application.pack])
