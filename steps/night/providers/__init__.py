"""How a zone is changed: one small class for each way, behind the same call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fixtures.plan import DnsRecord


@dataclass(frozen=True)
class Change:
    """What a record is to hold."""

    record: DnsRecord
    values: tuple[str, ...]
    ttl: int
    """Seconds."""
    expected: tuple[str, ...] | None = None
    """Change it only if it holds exactly these now; None: whatever it holds."""


class Provider(Protocol):
    """One way of changing the zone."""

    patience: float
    """Seconds that the authoritative servers get to serve a change."""

    def change(self, changes: Sequence[Change]) -> None:
        """Replace record sets. That the name servers serve them is for the caller to ask.

        Raises `Refused` where a record holds something else than expected (nothing was changed there), `StepFailed`
        when the change is refused, `CouldNotVerify` when nobody answers.
        """
        ...
