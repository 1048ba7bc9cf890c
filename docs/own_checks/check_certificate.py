"""The certificate of an internal service, as the target is shown it, is valid long enough: list it in rehearsal.egress."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import HostFact, shell
from fixtures.facts.wanted import on_target
from fixtures.run.evidence import now

# Yours: the service, its port, and for how long it must be valid.
SERVICE, PORT, LEAST = "ldap.example.org", "636", timedelta(days=30)


def read_end(answer: str) -> datetime:
    """A line "notAfter=Jan  5 12:00:00 2027 GMT"."""
    return datetime.strptime(answer.strip(), "notAfter=%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)


ASK = 'timeout 20 openssl s_client -connect "$1:$2" -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout -enddate'
END = HostFact(shell(ASK, SERVICE, PORT), read_end, about=f"the certificate of {SERVICE} port {PORT}")


@pytest.mark.application_running
def check_certificate_is_valid_long_enough(end: datetime = on_target(END)) -> None:
    """The certificate of the internal service does not run out soon."""
    if end - now() < LEAST:
        raise NoGo(
            f"the certificate of {SERVICE} port {PORT}",
            expected=f"valid for {LEAST.days} days at least",
            found=f"until {end:%Y-%m-%d %H:%M} UTC",
            remedy="have it renewed before the move",
        )
