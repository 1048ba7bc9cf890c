"""Ruby on the target."""

from fixtures.cloud import Cloud
from fixtures.host import Host
from fixtures.plan import Plan
from fixtures.run import Run
from steps import guards, packages
from steps.step import step


@step(needs=["data_mounted"], gives=["ruby_installed"], harmless=True)
def install_ruby(plan: Plan, run: Run, target: Host, cloud: Cloud) -> None:
    """Install Ruby and what native gems are built with."""
    guards.prove_target(target, run, plan, cloud)
    packages.install(target, run, "install_ruby", plan.ruby.packages)
