"""Every name of the site answers on the target as on production, and later through public DNS."""

import re

import pytest

from checks.check_acceptance import NO_ADDRESS
from checks.equality import must_equal
from fixtures.connect.nameservers import Dns
from fixtures.connect.tls import shown
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.network import PageAnswer, at_source, at_target
from fixtures.facts.wanted import on_web
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
def address(run: Run) -> str:
    """The target's own address."""
    return run.records(TargetFacts).public_address


def _paths(plan: Plan) -> list[str]:
    return list(dict.fromkeys(["/", plan.smoke.login_page, plan.application.health, plan.web.static[0]]))


_ON_PRODUCTION: dict[str, PageAnswer] = on_web(
    lambda plan, hostname: {path: at_source(plan, path, host=hostname, redirects=False) for path in _paths(plan)}
)
_ON_TARGET: dict[str, PageAnswer] = on_web(
    lambda run, plan, hostname: {path: at_target(run, path, host=hostname, redirects=False) for path in _paths(plan)}
)


@pytest.mark.rehearsed
def check_name_answers_as_on_production(
    hostname: str,
    plan: Plan,
    address: str,
    there: dict[str, PageAnswer] = _ON_PRODUCTION,
    here: dict[str, PageAnswer] = _ON_TARGET,
) -> None:
    """The target answers under every name as production does: the same status, the same redirects."""
    pairs = ((path, _in_short(there[path]), _in_short(here[path])) for path in _paths(plan))
    differing = [pair for pair in pairs if pair[1] != pair[2]]
    if differing:
        raise NoGo(
            f"{hostname} at {address} (status, location)",
            expected="as on production: " + "; ".join(f"{path} {answer}" for path, answer, _ in differing),
            found="; ".join(f"{path} {answer}" for path, _, answer in differing),
            remedy=f"see server_name and the redirects in {plan.web.site} on the target",
        )


def _in_short(answer: PageAnswer) -> str:
    return " ".join([str(answer.status), *filter(None, [answer.header("Location")])])


@pytest.mark.rehearsed
def check_security_headers_are_productions(
    hostname: str,
    plan: Plan,
    address: str,
    there: dict[str, PageAnswer] = _ON_PRODUCTION,
    here: dict[str, PageAnswer] = _ON_TARGET,
) -> None:
    """HSTS and the other headers that protect users are production's, on pages and on static files."""
    for path in (plan.smoke.login_page, plan.web.static[0]):
        must_equal(
            f"headers of {hostname}{path} at {address}, as on production",
            expected=_security_headers(there[path]),
            found=_security_headers(here[path]),
            remedy=f"see add_header in {plan.web.site} on the target, and the application's configuration",
        )


def _security_headers(answer: PageAnswer) -> dict[str, str]:
    headers = {name: answer.header(name) for name in SECURITY_HEADERS}
    return {name: _NONCE.sub("'nonce'", value) for name, value in headers.items() if value is not None}


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
