"""Every name of the site answers on the target as on production, and later through public DNS."""

import re

import pytest

from checks.check_acceptance import NO_ADDRESS
from checks.equality import must_equal
from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.fact import itself
from fixtures.facts.network import Met, PageAnswer, VisitFact, answered, at_source, at_target
from fixtures.facts.wanted import in_dns, on_web
from fixtures.facts.watches import DnsWatch
from fixtures.plan import NameServer, Plan
from fixtures.run.records import Survey, TargetFacts
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
    return list(dict.fromkeys(["/", plan.smoke.login_page, plan.health_page, *plan.web.static[:1]]))


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
    for path in (plan.smoke.login_page, *plan.web.static[:1]):
        must_equal(
            f"headers of {hostname}{path} at {address}, as on production",
            expected=_security_headers(there[path]),
            found=_security_headers(here[path]),
            remedy=f"see add_header in {plan.web.site} on the target, and the application's configuration",
        )


def _security_headers(answer: PageAnswer) -> dict[str, str]:
    headers = {name: answer.header(name) for name in SECURITY_HEADERS}
    return {name: _NONCE.sub("'nonce'", value) for name, value in headers.items() if value is not None}


def _own(plan: Plan, run: Run) -> frozenset[str]:
    facts = run.records(TargetFacts)
    return frozenset(facts.address(record.type) for record in plan.dns.records)


def _resolved(hostname: str, resolver: NameServer, plan: Plan, run: Run) -> dict[str, DnsWatch]:
    """The addresses of a name, by their type; the short TTL is how long a resolver may hold production's."""
    kinds = [record.type for record in plan.dns.records if record.name == hostname] or ["A"]
    only, seconds = _own(plan, run), plan.dns.ttl + 5
    return {kind: DnsWatch(resolver, hostname, kind, itself, only=only, seconds=seconds) for kind in kinds}


def _addresses(answers: dict[str, DnsAnswer]) -> list[str]:
    return [address for answer in answers.values() for address in answer.values]


def _visits(hostname: str, plan: Plan, answers: dict[str, DnsAnswer]) -> dict[str, VisitFact]:
    return {address: VisitFact(plan.health_page, address, hostname) for address in _addresses(answers)}


@pytest.mark.accepted
def check_name_works_through_public_dns(
    hostname: str,
    resolver: NameServer,
    plan: Plan,
    run: Run,
    answers: dict[str, DnsAnswer] = in_dns(_resolved),
    met: dict[str, Met] = on_web(_visits),
) -> None:
    """Whoever asks public DNS for any name of the site reaches the target, over HTTPS with a certificate that is accepted."""
    own, addresses = _own(plan, run), _addresses(answers)
    expected = run.records(Survey).health[hostname]
    if not addresses:
        raise CouldNotVerify(
            f"{hostname} through {resolver.name}", expected="an address", found="none", remedy=NO_ADDRESS
        )
    for address in addresses:
        outcome = answered(met[address])
        if address not in own or outcome != expected:
            raise NoGo(
                f"{plan.web.scheme}://{hostname}{plan.health_page} as {resolver.name} finds it",
                expected=f"status {expected} from {' or '.join(sorted(own))}",
                found=f"{outcome} from {address}",
                remedy=f"see {plan.web.site} on the target",
            )
