"""Mail leaves the target: the relay greets it. In quarantine no mail may leave, so this is asked once the target is open."""

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_target

# Yours: the relay, and its port.
RELAY, PORT = "relay.example.org", "25"
GREETING = """
exec 3<>"/dev/tcp/$1/$2" && read -r -t 10 line <&3 && printf '%s\\n' "$line" && printf 'QUIT\\r\\n' >&3
"""


def read_greeting(answer: str) -> str:
    """The first line that a server of SMTP says, as in "220 relay ESMTP"; "" where none said anything."""
    return answer.strip()


# 1: no connection or no line; 124: none within the time.
GREETED = HostFact(
    ("timeout", "20", "bash", "-c", GREETING, "bash", RELAY, PORT), read_greeting, codes=(0, 1, 124, 142)
)


@pytest.mark.target_open
def check_relay_answers(greeting: str = on_target(GREETED)) -> None:
    """The mail relay greets the target."""
    if not greeting.startswith("220"):
        raise NoGo(
            f"{RELAY} port {PORT}, asked by the target",
            expected="a line that begins with 220",
            found=greeting or "no answer",
            remedy="have the relay accept the target's address",
        )
