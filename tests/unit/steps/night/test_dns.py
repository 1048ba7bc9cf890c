"""Pointing the names elsewhere: what they say before, what is changed, and the wait until it is served."""

import pytest

from fixtures.errors import CouldNotVerify, StepFailed
from steps.night import dns
from steps.night.providers import Change
from steps.night.providers.manual import Manual
from steps.night.providers.rfc2136 import Rfc2136
from steps.night.providers.route53 import Route53
from tests.unit.steps.night.zone import APP, NEW, OLD, ZONE, Amazon, Scripted


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_the_wait_goes_on_until_it_is_served_and_outlives_a_silent_server(caplog):
    silent = CouldNotVerify("ns1", expected="an answer", found="none", remedy="wait")
    servers = Scripted(([OLD], 60), silent, ([OLD], 60), ([NEW], 60))
    dns.wait_served(servers, APP, lambda a: a.values == (NEW,), NEW, 5)


def test_the_wait_ends_and_names_the_server():
    with pytest.raises(StepFailed, match="ns1") as caught:
        dns.wait_served(Scripted(([OLD], 60)), APP, lambda a: False, NEW, 0)
    assert OLD in caught.value.found
    away = CouldNotVerify("ns1", expected="an answer", found="none", remedy="wait")
    with pytest.raises(CouldNotVerify):
        dns.wait_served(Scripted(away), APP, lambda a: True, NEW, 0)


class Recorder:
    """A provider that only keeps what it was asked."""

    patience = 1.0

    def __init__(self):
        self.asked = []

    def change(self, changes):
        self.asked += changes


@pytest.mark.parametrize(
    ("present", "asked"),
    [
        (([OLD], 60), [Change(APP, (NEW,), 60, (OLD,))]),
        (([NEW], 3600), [Change(APP, (NEW,), 60, None)]),
        (([NEW], 60), []),
    ],
    ids=["points-to-production", "only-the-ttl", "done-already"],
)
def test_only_what_is_missing_is_changed(present, asked):
    provider = Recorder()
    dns.point(Scripted(present, ([NEW], 60)), provider, [Change(APP, (NEW,), 60, (OLD,))])
    assert provider.asked == asked


def test_each_provider_has_its_class():
    plan = type("P", (), {"dns": ZONE})
    assert isinstance(dns.provider_of(plan, None, Amazon()), Route53)
    plan.dns = ZONE.model_copy(update={"provider": "manual"})
    assert isinstance(dns.provider_of(plan, None, None), Manual)
    plan.dns = ZONE.model_copy(update={"provider": "rfc2136"})
    assert isinstance(dns.provider_of(plan, None, None), Rfc2136)
