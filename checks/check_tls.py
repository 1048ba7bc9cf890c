"""HTTPS works before DNS sends anyone there: asked by SNI, at the target's own address, while public DNS still names production."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from checks.equality import must_equal
from fixtures.connect.tls import ShownCertificate
from fixtures.errors import NoGo
from fixtures.facts import files, network, renewal
from fixtures.facts.certificates import matches
from fixtures.facts.network import PageAnswer
from fixtures.facts.wanted import on_source, on_target, on_web
from fixtures.plan import Certificate, Plan
from fixtures.run.evidence import now
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run

COPY = "run `gonogo run --until web_configured`; it copies certificates and keys anew"


@pytest.fixture(scope="session")
def address(run: Run) -> str:
    """The target's own address."""
    return run.records(TargetFacts).public_address


@pytest.mark.web_configured
def check_certificate_is_accepted(
    tls_name: str, address: str, found: ShownCertificate = on_web(network.certificate_of_target)
) -> None:
    """A browser accepts what the target shows for the name: its chain is complete, it names the host, it is in time."""
    if found.refused is not None:
        raise NoGo(
            f"the certificate for {tls_name} at {address}",
            expected="one that a browser accepts",
            found=f"{found.refused} ({_described(found.certificate)})",
            remedy=f"renew the certificate on production or supply another, then {COPY}",
        )


@pytest.mark.web_configured
def check_certificate_lasts(
    tls_name: str, address: str, plan: Plan, found: ShownCertificate = on_web(network.certificate_of_target)
) -> None:
    """The certificate is good for as many more days as the plan asks."""
    ends = found.certificate.not_valid_after_utc
    if ends < now() + timedelta(days=plan.web.certificate_days):
        raise NoGo(
            f"the certificate for {tls_name} at {address}",
            expected=f"good for {plan.web.certificate_days} more days",
            found=f"it ends {ends:%Y-%m-%d %H:%M} UTC",
            remedy=f"renew it on production, or supply another; then {COPY}",
        )


@pytest.mark.web_configured
def check_certificate_and_key_match(certificate: Certificate, matching: bool = on_target(matches)) -> None:
    """The private key on the target belongs to the certificate beside it."""
    if not matching:
        raise NoGo(
            f"{certificate.key} on the target",
            expected=f"the key of {certificate.certificate}",
            found="another key",
            remedy=COPY,
        )


@pytest.mark.web_configured
def check_key_is_private(
    certificate: Certificate,
    key: files.Status | None = on_target(lambda certificate: files.status(str(certificate.key))),
) -> None:
    """Nobody but its owner and group may read the private key, and nobody but root may change it."""
    if key is None or int(key.mode, 8) & 0o027 or key.owner != "root":
        raise NoGo(
            f"{certificate.key} on the target (mode, owner)",
            expected="0600 or 0640, root",
            found=f"{key.mode}, {key.owner}" if key else "no such file",
            remedy=COPY,
        )


@pytest.mark.web_configured
def check_certificate_will_be_renewed(
    copied_certificate: Certificate,
    expected: list[str] = on_source(lambda copied_certificate: renewal.renewal(copied_certificate)),
    found: list[str] = on_target(renewal.PRESENT),
) -> None:
    """What renews the certificate on production renews it on the target too."""
    missing = [part for part in expected if part not in found]
    if missing:
        raise NoGo(
            f"the renewal of {copied_certificate.certificate} on the target",
            expected=f"as on production: {', '.join(expected)}",
            found=f"without {', '.join(missing)}",
            remedy="install it (web.packages) and copy its files (application.also_copy); or waive this check, saying who renews it and when",
        )


@pytest.mark.rehearsed
def check_certificate_is_the_one_users_know(
    tls_name: str,
    address: str,
    plan: Plan,
    shown: ShownCertificate = on_web(network.certificate_of_target),
    on_production: dict[str, ShownCertificate] = on_web(network.certificate_of_source),
) -> None:
    """The target shows for the name the certificate that production shows, or the one that the plan supplies."""
    found = shown.certificate
    supplied = [plan.resolve(item.supplied_certificate) for item in plan.web.certificates if item.supplied_certificate]
    expected = [x509.load_pem_x509_certificate(path.read_bytes()) for path in supplied]
    expected += [known.certificate for known in on_production.values()]
    if found not in expected:
        raise NoGo(
            f"the certificate for {tls_name} at {address}",
            expected=" or ".join(map(_described, expected)),
            found=_described(found),
            remedy=f"see ssl_certificate in {plan.web.site}; {COPY}",
        )


@pytest.mark.rehearsed
def check_plain_http_answers_as_on_production(
    tls_name: str,
    address: str,
    plan: Plan,
    there: PageAnswer = on_web(lambda plan, tls_name: network.at_source(plan, _plain(plan, tls_name), redirects=False)),
    here: PageAnswer = on_web(
        lambda run, plan, tls_name: network.at_target(run, _plain(plan, tls_name), redirects=False)
    ),
) -> None:
    """Whoever comes by plain HTTP is sent on to HTTPS where production does so, and answered as there."""
    expected, found = ((answer.status, answer.header("Location") or "") for answer in (there, here))
    must_equal(
        f"{_plain(plan, tls_name)} at {address} (status, location), as on production",
        expected=expected,
        found=found,
        remedy=f"see the servers on port 80 in {plan.web.site} on the target",
    )


def _plain(plan: Plan, tls_name: str) -> str:
    return f"http://{tls_name}{plan.smoke.login_page}"


def _described(certificate: x509.Certificate) -> str:
    """What tells a certificate from others."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = ", ".join(names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        listed = "no names"
    mark = certificate.fingerprint(hashes.SHA256()).hex()[:16]
    return (
        f"{listed}; {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}; {mark}"
    )
