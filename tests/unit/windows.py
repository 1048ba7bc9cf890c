"""Windows, the DNS clock and name servers, as the tests of the night need them."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.connect.nameservers import DnsAnswer
from fixtures.policy.dnsclock import DnsClock, observe, places
from fixtures.run.records import DnsBefore
from fixtures.run.run import Run

NOW = datetime.now(UTC)


@pytest.fixture
def run(tmp_path, plan):
    made = Run(tmp_path / "runs" / "20261101T000000Z-smallpayroll")
    made.record(DnsBefore(records={}, ttls={f"{r.name} {r.type}": 3600 for r in plan.dns.records}))
    return made


def starting(plan, moment):
    """The plan with its window opening then."""
    return plan.model_copy(update={"notice": plan.notice.model_copy(update={"starts": moment})})


def low_since(plan, moment, old=3600):
    clock = DnsClock()
    for where in places(plan):
        clock = observe(clock, where, old, low=60, at=moment - timedelta(seconds=1), before=old)
        clock = observe(clock, where, 60, low=60, at=moment, before=old)
    return clock


class Serving:
    """Every name server serves this TTL."""

    def __init__(self, ttl=60):
        self.ttl = ttl

    def ask(self, server, name, rdtype="A"):
        return DnsAnswer(server.name, ("192.0.2.1",), self.ttl, authoritative=True, exists=True)
