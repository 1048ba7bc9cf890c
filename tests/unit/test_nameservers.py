"""Asking name servers, against a small one of our own on loopback."""

import base64
import socket
import threading
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest

from fixtures.connect.nameservers import Dns
from fixtures.errors import CouldNotVerify
from fixtures.plan import Dns as DnsPlan
from steps.night.providers import Change
from steps.night.providers.rfc2136 import Rfc2136
from tests.unit.loopback import free_port

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class NameServer:
    """Answers what `behave` says; keeps what it was asked. UDP and TCP on one port."""

    def __init__(self, behave):
        self.behave = behave
        self.seen = []
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.ring = {dns.name.from_text("move."): dns.tsig.Key("move.", SECRET, "hmac-sha256")}
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def close(self):
        for one in (self.udp, self.tcp):
            with suppress(OSError):  # wakes the thread that waits in it
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def answer(self, wire, kind):
        try:
            query = dns.message.from_wire(wire, keyring=self.ring)
        except dns.tsig.BadSignature:
            response = dns.message.Message(int.from_bytes(wire[:2]))
            response.flags |= dns.flags.QR
            response.set_opcode(dns.opcode.UPDATE)
            response.set_rcode(dns.rcode.NOTAUTH)
            return response.to_wire()
        self.seen.append((kind, query))
        response = dns.message.make_response(query)
        return None if self.behave(query, response, kind) is None else response.to_wire()

    def serve_udp(self):
        while True:
            try:
                wire, whom = self.udp.recvfrom(4096)
            except OSError:
                return
            if not wire:
                return
            if reply := self.answer(wire, "udp"):
                with suppress(OSError):  # closed meanwhile
                    self.udp.sendto(reply, whom)

    def serve_tcp(self):
        while True:
            try:
                connection = self.tcp.accept()[0]
            except OSError:
                return
            with connection:
                size = int.from_bytes(connection.recv(2))
                if reply := self.answer(connection.recv(size), "tcp"):
                    connection.sendall(len(reply).to_bytes(2) + reply)


@contextmanager
def serving(behave, secret=SECRET, **changes):
    server = NameServer(behave)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNS_TEST_SECRET", secret)
        plan = DnsPlan.model_validate(
            {
                "zone": "example.test",
                "primary": {"name": "ns1", "address": "127.0.0.1", "port": server.port},
                "resolvers": [{"name": "cache", "address": "127.0.0.1", "port": server.port, **changes}],
                "tsig": {"name": "move.", "secret": {"env": "DNS_TEST_SECRET"}},
                "ttl": 60,
                "records": [{"name": "app.example.test"}],
            }
        )
        try:
            yield server, Dns(plan)
        finally:
            server.close()


def holds(*values, ttl=300, rcode=dns.rcode.NOERROR):
    def behave(query, response, kind):
        response.set_rcode(rcode)
        response.flags |= dns.flags.AA
        question = query.question[0]
        if values:
            response.answer.append(dns.rrset.from_text_list(question.name, ttl, "IN", question.rdtype, list(values)))
        return True

    return behave


def test_an_answer():
    with serving(holds("192.0.2.2", "192.0.2.1", ttl=77)) as (server, names):
        answer = names.ask(names.plan.primary, "app.example.test")
        assert (answer.values, answer.ttl) == (("192.0.2.1", "192.0.2.2"), 77)
        assert answer.authoritative
        assert answer.exists
        assert answer.server == "ns1"
        names.ask(names.plan.resolvers[0], "app.example.test")
        recursion = [bool(query.flags & dns.flags.RD) for _, query in server.seen]
        assert recursion == [False, True], "only a resolver is asked to recurse"


def test_no_such_name_and_no_such_type():
    with serving(holds(rcode=dns.rcode.NXDOMAIN)) as (_, names):
        answer = names.ask(names.plan.primary, "absent.example.test")
        assert (answer.values, answer.ttl, answer.exists) == ((), None, False)
    with serving(holds()) as (_, names):
        answer = names.ask(names.plan.primary, "app.example.test", "AAAA")
        assert (answer.values, answer.ttl, answer.exists) == ((), None, True)


def test_a_truncated_answer_is_asked_for_again_over_tcp():
    def behave(query, response, kind):
        if kind == "udp":
            response.flags |= dns.flags.TC
            return True
        return holds("192.0.2.1")(query, response, kind)

    with serving(behave) as (server, names):
        assert names.ask(names.plan.primary, "app.example.test").values == ("192.0.2.1",)
        assert [kind for kind, _ in server.seen] == ["udp", "tcp"]


@pytest.mark.parametrize("code", ["REFUSED", "SERVFAIL", "NOTAUTH"])
def test_a_refusal_is_no_answer(code):
    with serving(holds(rcode=dns.rcode.from_text(code))) as (_, names), pytest.raises(CouldNotVerify) as caught:
        names.ask(names.plan.primary, "app.example.test")
    assert caught.value.found == code
    assert "ns1" in caught.value.subject


def test_silence_is_asked_twice(monkeypatch):
    monkeypatch.setattr("fixtures.connect.nameservers.TIMEOUT", 0.2)
    with serving(lambda *_: None) as (server, names):
        with pytest.raises(CouldNotVerify, match="no answer in time"):
            names.ask(names.plan.primary, "app.example.test")
        assert len(server.seen) == 2


def test_one_lost_packet_does_not_matter(monkeypatch):
    monkeypatch.setattr("fixtures.connect.nameservers.TIMEOUT", 0.2)
    asked = []

    def behave(query, response, kind):
        asked.append(query)
        return None if len(asked) == 1 else holds("192.0.2.1")(query, response, kind)

    with serving(behave) as (_, names):
        assert names.ask(names.plan.primary, "app.example.test").values == ("192.0.2.1",)


def test_a_closed_port_is_told(monkeypatch):
    monkeypatch.setattr("fixtures.connect.nameservers.TIMEOUT", 0.2)
    with serving(holds()) as (server, names):
        server.close()
        with pytest.raises(CouldNotVerify):
            names.ask(names.plan.primary, "app.example.test")
        with pytest.raises(CouldNotVerify, match="refused"):
            Rfc2136(names.plan).change([Change(names.plan.records[0], ("192.0.2.1",), 60)])


def test_serials():
    with serving(holds("ns1.example.test. root.example.test. 2026110101 1 2 3 4")) as (_, names):
        assert names.serials() == {"ns1": 2026110101}
    with serving(holds()) as (_, names), pytest.raises(CouldNotVerify, match="SOA"):
        names.serials()
