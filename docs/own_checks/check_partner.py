"""A partner's address answers the target, which has a new address: list the partner's in rehearsal.egress to know it early."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_target

# Yours: what is asked for, and the status that says that all is well.
URL, STATUS = "https://api.partner.example/health", 200


def read_status(answer: str) -> int:
    """What curl says for %{http_code}: 000 where nobody answered."""
    return int(answer)


# Exit codes of curl's that are answers: no such name, no connection, no answer in time, no TLS, a certificate that is refused.
ANSWERED = HostFact(
    ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20", URL),
    read_status,
    codes=(0, 6, 7, 28, 35, 52, 56, 60),
)


@pytest.mark.application_running
def check_partner_answers(status: int = on_target(ANSWERED)) -> None:
    """The partner's service answers the target."""
    if status != STATUS:
        raise NoGo(
            f"{URL}, asked by the target",
            expected=f"status {STATUS}",
            found=f"status {status}" if status else "no answer",
            remedy="have the partner let in the target's address, and list theirs in rehearsal.egress",
        )
