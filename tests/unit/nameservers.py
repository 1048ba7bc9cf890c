"""A small name server on loopback."""

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
from fixtures.plan import Dns as DnsPlan
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
