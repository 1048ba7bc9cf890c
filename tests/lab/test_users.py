import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import dns.query
import dns.tsigkeyring
import dns.update
import pytest

from fixtures.lab.dns.dns import NameServers
from fixtures.lab.hosts.images import image
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.production.authority import Authority
from fixtures.lab.production.production import ZONE
from fixtures.lab.users.ledger import Request, acknowledged, outage, read, served_by, write_gap
from fixtures.lab.users.users import Users

NET = LabNet("test-users", 83)
OLD = {NET.public(10), NET.ipv6("internet", 10)}
NEW = {NET.public(100), NET.ipv6("internet", 100)}
PASSWORD = "of the lab"
RATE = 20.0


class Application:
    """What users see of SmallPayroll, at one host's two addresses; a session made at one address is good at the other."""

    def __init__(self, network: Network, name: str, address: str, directory: Path) -> None:
        network.add_namespace(name, address, "internet", NET.ipv6("internet", int(address.rpartition(".")[2])))
        application = self
        self.closed = False
        self.references: list[str] = []
        self.hosts: set[str] = set()
        self.logins = 0

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status: int, body: str = "", **headers: str) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def handle_request(self) -> None:
                application.hosts.add(self.headers["Host"])
                length = int(self.headers.get("Content-Length", 0))
                form = {key: value[0] for key, value in parse_qs(self.rfile.read(length).decode()).items()}
                known = "session=good" in self.headers.get("Cookie", "")
                if application.closed:
                    self.answer(503, "closed", Retry_After="120")
                elif (self.command, self.path) == ("GET", "/login"):
                    self.answer(200, '<input type="hidden" name="authenticity_token" value="a&amp;b" />')
                elif (self.command, self.path) == ("POST", "/login"):
                    good = form["authenticity_token"] == "a&b" and form["password"] == PASSWORD
                    application.logins += good
                    there = {"Location": f"https://app.{ZONE}/", "Set_Cookie": "session=good; path=/"}
                    self.answer(302, **there) if good else self.answer(401)
                elif self.path.startswith(("/assets/", "/pages/")):
                    self.answer(200, "static")
                elif not known:
                    self.answer(302, Location=f"https://app.{ZONE}/login")
                elif (self.command, self.path) == ("POST", "/timesheets"):
                    assert self.headers["X-CSRF-Token"] == "c&d"
                    application.references.append(form["reference"])
                    self.answer(201, json.dumps({"id": 1, "reference": form["reference"]}))
                else:
                    self.answer(200, '<meta name="csrf-token" content="c&amp;d" /> <a href="/documents/7/download">')

            do_GET = do_POST = handle_request  # noqa: N815 - named by the library

            def log_message(self, *_: object) -> None:
                pass

        issued = Authority(directory).issue([f"app.{ZONE}"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (directory / name).write_text(issued.chain + issued.key)
        context.load_cert_chain(directory / name)
        self.server = ThreadingHTTPServer((address, 443), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = context.wrap_socket(network.listen(name, "::", 443), server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


@pytest.fixture(scope="module")
def names(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServers]:
    servers = NameServers(network, image("services"), tmp_path_factory.mktemp("names"), cache_max_ttl=2)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def old(network: Network, tls: Path) -> Iterator[Application]:
    application = Application(network, "production", NET.public(10), tls)
    yield application
    application.stop()


@pytest.fixture
def users(network: Network, names: NameServers, tls: Path, tmp_path: Path) -> Iterator[Users]:
    authority = Authority(tls).certificate
    users = Users(network, tmp_path / "users.jsonl", password=PASSWORD, authority=authority)
    yield users
    users.stop()


def wait_until(ledger: Path, true: Callable[[list[Request]], object], limit: float = 60) -> list[Request]:
    began = time.monotonic()
    while not (ledger.exists() and true(read(ledger))):
        assert time.monotonic() - began < limit, f"{ledger.with_suffix('.log').read_text()}, {read(ledger)[-5:]}"
        time.sleep(0.1)
    return read(ledger)


def test_users_log_in_browse_and_write_at_a_bounded_rate(users: Users, old: Application):
    users.start(rate=RATE)
    seen = wait_until(users.ledger, lambda ledger: len(ledger) > 100)
    users.stop()
    assert {request.kind for request in seen} == {"login", "page", "asset", "document", "timesheet"}
    assert all(request.good for request in seen)
    assert {request.address for request in seen} == OLD
    assert old.hosts == {f"app.{ZONE}"}
    assert old.logins == 6
    assert acknowledged(read(users.ledger)) == set(old.references)
    assert len(set(old.references)) == len(old.references)
    rate = (len(seen) - 1) / (seen[-1].start - seen[0].start)
    assert rate < RATE * 1.05


def test_the_ledger_shows_outage_and_write_gap_of_a_move(
    users: Users, network: Network, names: NameServers, old: Application, tls: Path
):
    settings = names.settings()
    users.start(rate=RATE)
    wait_until(users.ledger, lambda ledger: len(acknowledged(ledger)) > 20)
    old.closed = True
    closed = time.monotonic()
    wait_until(users.ledger, lambda ledger: [request.status for request in ledger].count(503) > 5)
    new = Application(network, "target", NET.public(100), tls)
    update = dns.update.UpdateMessage(
        ZONE, keyring=dns.tsigkeyring.from_text({settings.tsig_name: settings.tsig_secret})
    )
    update.replace("app", 300, "A", NET.public(100))
    update.replace("app", 300, "AAAA", NET.ipv6("internet", 100))
    dns.query.tcp(update, settings.servers[0], timeout=5)
    # A resolver may forget A sooner than AAAA: then one more request meets the closed host after the first good one.
    seen = wait_until(
        users.ledger, lambda ledger: any(r.acknowledged and r.address in NEW for r in ledger) and outage(ledger).over
    )
    moved = time.monotonic()
    time.sleep(1)
    since = datetime.now(UTC)
    time.sleep(1)
    users.stop()
    new.stop()

    found = outage(seen)
    assert found.longest == pytest.approx(found.total, abs=4)
    assert found.longest == pytest.approx(moved - closed, abs=4)
    gap = write_gap(seen, OLD)
    assert gap is not None
    assert gap == pytest.approx(moved - closed, abs=4)
    assert set(served_by(read(users.ledger), since)) == NEW
    assert acknowledged(read(users.ledger)) <= set(old.references) | set(new.references)
    assert new.logins == 0, "the sessions of before stay good"
    # six browsers that each wait half a second before they try a closed site again
    refused = [request for request in seen if request.status == 503]
    assert len(refused) <= 6 * ((moved - closed) / 0.5 + 1)


def test_users_stop_by_themselves_and_append_to_their_ledger(users: Users, old: Application):
    users.ledger.write_bytes(b'{"time": "half a li')
    users.start(rate=RATE, duration=1)
    began = time.monotonic()
    while users.running:
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    first = read(users.ledger)
    assert first
    users.start(rate=RATE, duration=1)
    wait_until(users.ledger, lambda ledger: len(ledger) > len(first))


def test_users_whose_names_are_not_answered_say_so(users: Users, names: NameServers):
    names.hosts["resolver"].power_cut()
    users.start(rate=RATE)
    (request, *_) = wait_until(users.ledger, len)
    assert request.address is None
    assert request.error is not None
    assert not request.good
