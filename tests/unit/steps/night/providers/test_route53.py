"""Changing a zone at Route 53, as boto3 shows it."""

import pytest

from fixtures.errors import Refused, StepFailed
from steps.night.providers import Change
from steps.night.providers.route53 import Route53, upsert
from tests.unit.steps.night.zone import APP, NEW, OLD, ZONE, Amazon


def held(*values, kind="A", name="app.example.test.", **more):
    return {"Name": name, "Type": kind, "TTL": 3600, "ResourceRecords": [{"Value": v} for v in values], **more}


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_route53_is_asked_first_then_changed_in_one_batch_and_waited_for():
    later = held("192.0.2.77", name="www.example.test.")
    amazon = Amazon(held(OLD), later, pending=3)
    Route53(ZONE, amazon).change([Change(APP, (NEW,), 60, expected=(OLD,))])
    assert amazon.sent == [("Z123", [upsert(Change(APP, (NEW,), 60))])]
    assert amazon.sent[0][1][0]["Action"] == "UPSERT"
    assert amazon.pending == -1, "asked until INSYNC"


@pytest.mark.parametrize(
    ("amazon", "match"),
    [
        (Amazon(held("192.0.2.66")), r"192\.0\.2\.66"),
        (Amazon(), "nothing"),
        (
            Amazon(held(OLD, SetIdentifier="blue", Weight=1), held(NEW, SetIdentifier="green", Weight=9)),
            "SetIdentifier",
        ),
        (Amazon({"Name": "app.example.test.", "Type": "A", "AliasTarget": {}}), "AliasTarget"),
        (Amazon(held(OLD), zone="another.test."), r"another\.test"),
        (Amazon(held(OLD), private=True), "private"),
    ],
    ids=["changed", "absent", "weighted", "alias", "zone", "private"],
)
def test_route53_refuses_what_is_not_as_recorded_and_changes_nothing(amazon, match):
    with pytest.raises(Refused, match=match):
        Route53(ZONE, amazon).change([Change(APP, (NEW,), 60, expected=(OLD,))])
    assert not amazon.sent


def test_route53_that_never_gets_in_sync(monkeypatch):
    monkeypatch.setattr("steps.night.providers.route53.IN_SYNC", 0.0)
    with pytest.raises(StepFailed, match="PENDING"):
        Route53(ZONE, Amazon(held(OLD), pending=9)).change([Change(APP, (NEW,), 60)])
