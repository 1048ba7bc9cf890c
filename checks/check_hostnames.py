"""Every name of the site answers on the target as on production, and later through public DNS."""

import re

import pytest

from checks.check_acceptance import NO_ADDRESS
from checks.equality import must_equal
from fixtures.connect.nameservers import Dns
from fixtures.connect.tls import shown
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import NameServer, Plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run

SECURITY_HEADERS = (
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
_NONCE = re.compile(r"'nonce-[^']*'")


@pytest.fixture(scope="session")
def sides(plan: Plan, run: Run) -> tuple[str, str]:
    """The addresses of production and of the target."""
    return str(plan.source.public_address), run.records(TargetFacts).public_address


@pytest.mark.rehearsed
def check_name_answers_as_on_production(hostname: str, plan: Plan, web: Web, sides: tuple[str, str]) -> None:
    """The target answers under every name as production does: the same status, the same redirects."""
    paths = ("/", plan.smoke.login_page, plan.application.health, plan.web.static[0])
    expected, found = ([_first_answer(web, path, address, hostname) for path in paths] for address in sides)
    differing = [pair for pair in zip(paths, expected, found, strict=True) if pair[1] != pair[2]]
    if differing:
        raise NoGo(
            f"{hostname} at {sides[1]} (status, location)",
            expected="as on production: " + "; ".join(f"{path} {answer}" for path, answer, _ in differing),
            found="; ".join(f"{path} {answer}" for path, _, answer in differing),
            remedy=f"see server_name and the redirects in {plan.web.site} on the target",
        )


def _first_answer(web: Web, path: str, address: str, hostname: str) -> str:
    answer = web.get(path, address, host=hostname, redirects=False)
    return " ".join([str(answer.status_code), *filter(None, [answer.headers.get("Location")])])


@pytest.mark.rehearsed
def check_security_headers_are_productions(hostname: str, plan: Plan, web: Web, sides: tuple[str, str]) -> None:
    """HSTS and the other headers that protect users are production's, on pages and on static files."""
    for path in (plan.smoke.login_page, plan.web.static[0]):
        expected, found = (_security_headers(web, path, address, hostname) for address in sides)
        must_equal(
            f"headers of {hostname}{path} at {sides[1]}, as on production",
            expected=expected,
            found=found,
            remedy=f"see add_header in {plan.web.site} on the target, and the application's configuration",
        )


def _security_headers(web: Web, path: str, address: str, hostname: str) -> dict[str, str]:
    headers = web.get(path, address, host=hostname, redirects=False).headers
    return {name: _NONCE.sub("'nonce'", headers[name]) for name in SECURITY_HEADERS if name in headers}


@pytest.mark.accepted
def check_name_works_through_public_dns(
    hostname: str, resolver: NameServer, plan: Plan, run: Run, dns: Dns, web: Web
) -> None:
    """Whoever asks public DNS for any name of the site reaches the target, over HTTPS with a certificate that is accepted."""
    facts = run.records(TargetFacts)
    own = {facts.address(record.type) for record in plan.dns.records}
    for address in _addresses(hostname, resolver, plan, dns):
        refused = shown(hostname, address, web.context).refused if plan.web.scheme == "https" else None
        outcome = refused or web.get(plan.application.health, address, host=hostname).status_code
        if address not in own or outcome != 200:
            raise NoGo(
                f"{plan.web.scheme}://{hostname}{plan.application.health} as {resolver.name} finds it",
                expected=f"status 200 from {' or '.join(sorted(own))}",
                found=f"{outcome} from {address}",
                remedy=f"see {plan.web.site} on the target",
            )


def _addresses(hostname: str, resolver: NameServer, plan: Plan, dns: Dns) -> list[str]:
    kinds = [record.type for record in plan.dns.records if record.name == hostname] or ["A"]
    found = [address for kind in kinds for address in dns.ask(resolver, hostname, kind).values]
    if not found:
        raise CouldNotVerify(
            f"{hostname} through {resolver.name}", expected="an address", found="none", remedy=NO_ADDRESS
        )
    return found
