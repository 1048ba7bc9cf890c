"""Changing a zone: signed updates, Route 53 as boto3 shows it, and a person; and the wait until it is served."""

import base64
import logging
from datetime import UTC, datetime

import dns.opcode
import dns.rcode
import pytest

from fixtures.connect.nameservers import Answer
from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.plan import Dns as DnsPlan
from fixtures.plan import Record
from fixtures.run.records import TargetFacts
from steps.night import names
from steps.night.providers import Change
from steps.night.providers.manual import Manual
from steps.night.providers.rfc2136 import Rfc2136
from steps.night.providers.route53 import Route53, upsert
from tests.unit.test_nameservers import holds, serving

APP = Record(name="app.example.test", type="A")
OLD, NEW = "192.0.2.1", "192.0.2.9"


# --- RFC 2136 -----------------------------------------------------------------------------------------------------------


def test_an_update_is_signed_and_says_what_must_be_there():
    with serving(lambda query, response, kind: True) as (server, known):
        Rfc2136(known.plan).change([Change(APP, (NEW,), 60, expected=(OLD,))])
        kind, update = server.seen[0]
        assert kind == "tcp"
        assert update.opcode() == dns.opcode.UPDATE
        assert update.had_tsig
        assert [r.to_text() for r in update.prerequisite] == ["app.example.test. 0 IN A 192.0.2.1"]
        assert [r.to_text() for r in update.update][-1] == "app.example.test. 60 IN A 192.0.2.9"
        ipv6 = Record(name="app.example.test", type="AAAA")
        Rfc2136(known.plan).change([Change(ipv6, ("2001:db8::1",), 60, expected=()), Change(APP, (NEW,), 60)])
        assert len(server.seen) == 3


def test_an_update_that_is_refused():
    with serving(holds(rcode=dns.rcode.REFUSED)) as (_, known), pytest.raises(StepFailed, match="REFUSED"):
        Rfc2136(known.plan).change([Change(APP, (NEW,), 60)])
    with serving(holds(rcode=dns.rcode.NXRRSET)) as (_, known), pytest.raises(Refused, match=r"192\.0\.2\.1"):
        Rfc2136(known.plan).change([Change(APP, (NEW,), 60, expected=(OLD,))])


def test_a_wrong_secret_is_refused_by_the_server():
    wrong = base64.b64encode(b"another key").decode()
    with serving(holds(), secret=wrong) as (server, known):
        with pytest.raises(StepFailed, match="did not sign") as caught:
            Rfc2136(known.plan).change([Change(APP, (NEW,), 60)])
        assert "TSIG" in caught.value.remedy
        assert not server.seen


def test_a_secret_that_is_no_key():
    with serving(holds(), secret="not base64!") as (_, known), pytest.raises(Refused, match="base64"):
        Rfc2136(known.plan).change([Change(APP, (NEW,), 60)])


# --- Route 53 -----------------------------------------------------------------------------------------------------------


class Amazon:
    """What boto3's client would say."""

    def __init__(self, *sets, zone="example.test.", private=False, pending=0):
        self.sets, self.zone, self.private, self.pending, self.sent = list(sets), zone, private, pending, []

    def client(self, service):
        assert service == "route53"
        return self

    def get_hosted_zone(self, **asked):
        return {"HostedZone": {"Name": self.zone, "Config": {"PrivateZone": self.private}}}

    def list_resource_record_sets(self, **asked):
        return {"ResourceRecordSets": self.sets}

    def change_resource_record_sets(self, **asked):
        self.sent.append((asked["HostedZoneId"], asked["ChangeBatch"]["Changes"]))
        return {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}}

    def get_change(self, **asked):
        self.pending -= 1
        return {"ChangeInfo": {"Id": asked["Id"], "Status": "PENDING" if self.pending >= 0 else "INSYNC"}}


PLAN = DnsPlan.model_validate(
    {
        "provider": "route53",
        "hosted_zone": "Z123",
        "zone": "example.test",
        "primary": {"name": "ns1", "address": "127.0.0.1"},
        "ttl": 60,
        "records": [APP.model_dump()],
    }
)


def held(*values, kind="A", name="app.example.test.", **more):
    return {"Name": name, "Type": kind, "TTL": 3600, "ResourceRecords": [{"Value": v} for v in values], **more}


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_route53_is_asked_first_then_changed_in_one_batch_and_waited_for():
    later = held("192.0.2.77", name="www.example.test.")
    amazon = Amazon(held(OLD), later, pending=3)
    Route53(PLAN, amazon).change([Change(APP, (NEW,), 60, expected=(OLD,))])
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
        Route53(PLAN, amazon).change([Change(APP, (NEW,), 60, expected=(OLD,))])
    assert not amazon.sent


def test_route53_that_never_gets_in_sync(monkeypatch):
    monkeypatch.setattr("steps.night.providers.route53.IN_SYNC", 0.0)
    with pytest.raises(StepFailed, match="PENDING"):
        Route53(PLAN, Amazon(held(OLD), pending=9)).change([Change(APP, (NEW,), 60)])


# --- by hand, and the wait ----------------------------------------------------------------------------------------------


class Servers:
    """Name servers whose answers follow a script: the last one stays."""

    def __init__(self, *answers, plan=PLAN):
        self.plan, self.answers = plan, list(answers)

    def ask(self, server, name, rdtype):
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        values, ttl = found
        return Answer(server.name, tuple(values), ttl, authoritative=True, exists=True)


def test_by_hand_says_what_is_and_what_is_to_be(caplog):
    caplog.set_level(logging.INFO)
    Manual(Servers(([OLD], 3600))).change([Change(APP, (NEW,), 60)])
    assert "app.example.test  A  192.0.2.9, TTL 60  (now: 192.0.2.1, TTL 3600)" in caplog.text
    assert "zone example.test" in caplog.text


def test_the_wait_goes_on_until_it_is_served_and_outlives_a_silent_server(caplog):
    silent = CouldNotVerify("ns1", expected="an answer", found="none", remedy="wait")
    servers = Servers(([OLD], 60), silent, ([OLD], 60), ([NEW], 60))
    names.wait_served(servers, APP, lambda a: a.values == (NEW,), NEW, 5)


def test_the_wait_ends_and_names_the_server():
    with pytest.raises(StepFailed, match="ns1") as caught:
        names.wait_served(Servers(([OLD], 60)), APP, lambda a: False, NEW, 0)
    assert OLD in caught.value.found
    away = CouldNotVerify("ns1", expected="an answer", found="none", remedy="wait")
    with pytest.raises(CouldNotVerify):
        names.wait_served(Servers(away), APP, lambda a: True, NEW, 0)


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
    names.point(Servers(present, ([NEW], 60)), provider, [Change(APP, (NEW,), 60, (OLD,))])
    assert provider.asked == asked


def test_each_provider_has_its_class():
    plan = type("P", (), {"dns": PLAN})
    assert isinstance(names.provider_of(plan, None, Amazon()), Route53)
    plan.dns = PLAN.model_copy(update={"provider": "manual"})
    assert isinstance(names.provider_of(plan, None, None), Manual)
    plan.dns = PLAN.model_copy(update={"provider": "rfc2136"})
    assert isinstance(names.provider_of(plan, None, None), Rfc2136)


def test_an_aaaa_record_names_the_targets_ipv6_address():
    facts = TargetFacts(
        instance_id="i-1", private_address="10.0.0.4", public_address=NEW, allocation_id="e", volume_id="v",
        security_group_id="sg-1", ipv6_address="2001:db8::9", recorded=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    assert (facts.address("A"), facts.address("AAAA")) == (NEW, "2001:db8::9")
