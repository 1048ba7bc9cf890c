"""Changing a zone by signed updates."""

import base64

import dns.opcode
import dns.rcode
import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.plan import DnsRecord
from steps.night.providers import Change
from steps.night.providers.rfc2136 import Rfc2136
from tests.unit.nameservers import holds, serving
from tests.unit.steps.night.zone import APP, NEW, OLD


def test_an_update_is_signed_and_says_what_must_be_there():
    with serving(lambda query, response, kind: True) as (server, known):
        Rfc2136(known.plan).change([Change(APP, (NEW,), 60, expected=(OLD,))])
        kind, update = server.seen[0]
        assert kind == "tcp"
        assert update.opcode() == dns.opcode.UPDATE
        assert update.had_tsig
        assert [r.to_text() for r in update.prerequisite] == ["app.example.test. 0 IN A 192.0.2.1"]
        assert [r.to_text() for r in update.update][-1] == "app.example.test. 60 IN A 192.0.2.9"
        ipv6 = DnsRecord(name="app.example.test", type="AAAA")
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
