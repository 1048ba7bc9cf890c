"""Who is who before anything changes: by every address of production, in both families."""

from types import SimpleNamespace

import pytest

from fixtures.errors import Refused
from fixtures.secrets import Secret
from steps.survey.preflight import preflight
from tests.unit import ipv6
from tests.unit.answers import Answers
from tests.unit.ipv6 import NEW_IPV6, OLD_IPV6, ByFamily, ipv6_instance

ipv6_plan = ipv6.ipv6_plan
OLD = "198.51.100.10"


class Production(Answers):
    """Production as it says itself: no target, and closed by a run or by nobody."""

    def __init__(self, closure):
        super().__init__(closure, name="source")
        self.address = "production.example.test"

    def file(self, _):
        return SimpleNamespace(exists=False)


def asked_of(plan, found=None, closure="", **records):
    """What the first questions see: these DNS records, and an instance or none."""
    return SimpleNamespace(
        plan=plan.model_copy(update={"files": []}), dns=ByFamily(**records),
        cloud=SimpleNamespace(verify_account=lambda: None, instance=lambda: found),
        source=Production(closure), run=SimpleNamespace(name="this run"),
        source_db=SimpleNamespace(password_login=lambda *_: None),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_secret_is_needed(monkeypatch):
    monkeypatch.setattr(Secret, "reveal", lambda _: "secret")


def test_a_plan_with_aaaa_records_is_taken_where_they_name_production(ipv6_plan):
    preflight(asked_of(ipv6_plan, A=[OLD], AAAA=[OLD_IPV6]))


@pytest.mark.parametrize(
    "records",
    [{"A": [OLD]}, {"A": [OLD], "AAAA": [NEW_IPV6]}, {"A": ["192.0.2.4"], "AAAA": [OLD_IPV6]}, {"AAAA": [OLD_IPV6]}],
)
def test_a_record_that_names_another_host_is_refused_whatever_its_family(ipv6_plan, records):
    with pytest.raises(Refused, match="production's address, and no other"):
        preflight(asked_of(ipv6_plan, **records))


def test_a_target_at_productions_ipv6_address_is_refused(ipv6_plan):
    with pytest.raises(Refused, match=f"{OLD_IPV6}, which is the source's"):
        preflight(asked_of(ipv6_plan, ipv6_instance(OLD_IPV6), A=[OLD], AAAA=[OLD_IPV6]))


@pytest.mark.parametrize(
    ("closure", "named"), [('{"run": "that run"}', "that run"), ("{", "damaged"), ("[]", "damaged")]
)
def test_production_that_another_run_has_closed_is_named_with_the_way_back(ipv6_plan, closure, named):
    with pytest.raises(Refused, match="gonogo back-out --from-source production") as caught:
        preflight(asked_of(ipv6_plan, closure=closure, A=[OLD], AAAA=[OLD_IPV6]))
    assert named in caught.value.found
    preflight(asked_of(ipv6_plan, closure='{"run": "this run"}', A=[OLD], AAAA=[OLD_IPV6]))
