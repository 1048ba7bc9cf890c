"""nginx with production's own site."""

from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts.nginx import DEFAULT, ENABLED
from fixtures.plan import Plan
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.build.certificates import place_certificates
from steps.step import step
from steps.tools import packages

_RELOAD = script(__file__, "reload_nginx.sh")


@step(needs=["release_copied", "pack_configured"], gives=["web_configured"], harmless=True)
def configure_nginx(plan: Plan, run: Run, source: Host, target: Host) -> None:
    """Install nginx, give it production's site and certificates, and take Debian's default site away."""
    packages.install(target, run, "configure_nginx", plan.web.packages)
    place_certificates(plan, source, target)
    site = plan.web.site
    target.check(["install", "-d", "-m", "0755", str(site.parent)])
    target.write_file(str(site), source.read_bytes(str(site)))
    link = enabled_link(site)
    if link:
        target.check(["ln", "-sfn", "--", str(site), str(link)])
    target.check(["rm", "-f", "--", str(DEFAULT)])
    try:
        target.check(["nginx", "-t", "-q"])
    except StepFailed:
        # A server that cannot start again after a reboot is worse than one without the site.
        target.check(["rm", "-f", "--", str(link or site)])
        raise
    target.check(["systemctl", "enable", "--quiet", "nginx.service"])
    target.check(_RELOAD)


def enabled_link(site: PurePosixPath) -> PurePosixPath | None:
    """The link that enables a site of sites-available; nginx reads other directories by itself."""
    return ENABLED / site.name if site.parent.name == "sites-available" else None
