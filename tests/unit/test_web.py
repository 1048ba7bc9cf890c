"""Requests under a hostname that no DNS knows, and the login through a real form."""

import ssl
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.connect.forms import find_forms
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify
from fixtures.plan import Smoke
from tests.unit.loopback import free_port

LOGIN = """<meta name="csrf-token" content="x"><form action="/search"><input name="q"></form>
<form class="f" method="post" action="/login"><input type="hidden" name="authenticity_token" value="a&amp;b+c=="/>
<input name="email"><input type="password" name="password"><input type="checkbox" name="stay">
<input type="submit" name="commit" value="Log in"></form>"""


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, text="", **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        match self.path:
            case "/login":
                self.reply(200, LOGIN, Set_Cookie="session=start; path=/; HttpOnly")
            case "/":
                signed_in = "session" in cookie and cookie["session"].value == "in"
                self.reply(200, "Signed in as anna" if signed_in else "Who are you?")
            case "/away":
                self.reply(302, Location="http://elsewhere.test/")
            case "/other":
                port = self.headers["Host"].partition(":")[2]
                self.reply(301, Location=f"http://www.example.test:{port}/named")
            case "/round":
                self.reply(302, Location="/round")
            case "/slow":
                time.sleep(1)
            case _:
                self.reply(404, self.headers["Host"])

    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        good = fields == {"authenticity_token": ["a&b+c=="], "email": ["anna"], "password": ["open sesame"]}
        if good and cookie["session"].value == "start":
            self.reply(302, Location=f"http://{self.headers['Host']}/", Set_Cookie="session=in; path=/")
        else:
            self.reply(401, "no")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def port():
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def web(port):
    return Web(f"app.example.test:{port}")


@pytest.fixture
def smoke(monkeypatch):
    monkeypatch.setenv("SMOKE", "open sesame")
    return Smoke(user="anna", password={"env": "SMOKE"}, signed_in_text="Signed in as")


def test_the_hostname_reaches_the_address(web, port):
    page = web.get("/absent", "127.0.0.1")
    assert (page.status_code, page.text) == (404, f"app.example.test:{port}")
    assert web.get("/", "127.0.0.1", host=f"other.test:{port}").status_code == 200


def test_proxies_and_the_like_play_no_part(web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert web.get("/", "127.0.0.1").status_code == 200


def test_a_redirect_stays_at_the_address(web):
    assert web.get("/away", "127.0.0.1", redirects=False).status_code == 302
    with pytest.raises(CouldNotVerify, match="another host"):
        web.get("/away", "127.0.0.1")
    with pytest.raises(CouldNotVerify, match="without end"):
        web.get("/round", "127.0.0.1")


def test_a_redirect_to_another_name_of_the_site_asks_for_that_name_at_the_same_address(web, port):
    with pytest.raises(CouldNotVerify, match="another host"):
        web.get("/other", "127.0.0.1")
    names = [web.hostname, f"www.example.test:{port}"]
    assert Web(names[0], hostnames=names).get("/other", "127.0.0.1").text == names[1]


def test_no_answer_is_one_clear_error(web):
    with pytest.raises(CouldNotVerify, match=r"nothing within 0\.5 seconds"):
        Web(web.hostname, timeout=0.5).get("/slow", "127.0.0.1")
    with pytest.raises(CouldNotVerify, match="refused"):
        Web(f"app.example.test:{free_port()}").get("/", "127.0.0.1")


def test_logging_in_as_a_browser_does(web, smoke):
    session = web.session("127.0.0.1")
    assert smoke.signed_in_text not in session.get("/").text
    assert smoke.signed_in_text in web.login(session, smoke).text
    assert smoke.signed_in_text in session.get("/").text
    assert smoke.signed_in_text not in web.session("127.0.0.1").get("/").text, "sessions share nothing"


def test_a_wrong_password_is_an_answer(web, smoke, monkeypatch):
    monkeypatch.setenv("SMOKE", "wrong")
    assert web.login(web.session("127.0.0.1"), smoke).status_code == 401


def test_a_page_without_the_form(web, smoke):
    with pytest.raises(CouldNotVerify, match="status 404"):
        web.login(web.session("127.0.0.1"), smoke.model_copy(update={"login_page": "/absent"}))


def served_by(directory):
    """A key, its certificate for app.example.test, and what a server shows them with."""
    key, certificate = directory / "key", directory / "certificate"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=app.example.test -addext"
    subprocess.run(
        [*make.split(), "subjectAltName=DNS:app.example.test", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return key, certificate, context


class Acts(ThreadingHTTPServer):
    """Does with each request what its list says: "answer" and keep the connection, "half" a body, or end it unanswered.

    Each end comes once the request is there, when no client can know it yet: that is the moment at which a server that closes an
    idle connection and a client that uses it again miss each other.
    """

    def __init__(self, acts):
        super().__init__(("127.0.0.1", 0), None)
        self.acts = iter(acts)
        self.seen = []
        """Which connection brought a request, by its number, and the first letter of the method."""
        self.connections = 0
        self.ended = threading.Event()

    def finish_request(self, connection, address):
        self.connections += 1
        number = self.connections
        while letter := connection.recv(1).decode():
            self.seen.append((number, letter))
            act = next(self.acts)
            if act == "reset":  # what is closed unread is reset
                break
            connection.recv(1 << 16)
            if act == "silence":
                time.sleep(1)
            if act not in ("answer", "answer and close", "half"):
                break
            length = 4 if act == "half" else 2
            body = b"" if letter == "H" else b"ok"
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (length, body))
            if act != "answer":
                break

    def shutdown_request(self, connection):
        self.close_request(connection)
        self.ended.set()


@contextmanager
def acting(*acts):
    with Acts(acts) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            with closing(Web(f"app.example.test:{server.server_port}").session("127.0.0.1")) as session:
                yield server, session
        finally:
            server.shutdown()


ENDS = ("close", "reset")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_only_reads_is_sent_once_more_where_the_server_closed_a_kept_connection(method, end):
    with acting("answer", end, "answer", "answer") as (server, session):
        for _ in range(3):
            assert session.request(method, "/").status_code == 200
        assert server.seen == [(1, method[0]), (1, method[0]), (2, method[0]), (2, method[0])]


@pytest.mark.parametrize("end", ENDS)
def test_what_may_change_something_is_never_sent_twice(end):
    with acting("answer", end, "answer") as (server, session):
        session.get("/")
        with pytest.raises(CouldNotVerify, match="no connection"):
            session.request("POST", "/", data={"a": "b"})
        assert server.seen == [(1, "G"), (1, "P")]


@pytest.mark.parametrize("end", ENDS)
def test_a_new_connection_without_an_answer_is_no_answer(end):
    with acting(end, "answer", end, end, "answer") as (server, session):
        with pytest.raises(CouldNotVerify, match="no connection"):
            session.get("/")
        assert server.seen == [(1, "G")]
        session.get("/")
        with pytest.raises(CouldNotVerify, match="no connection"):
            session.get("/")
        assert server.seen[1:] == [(2, "G"), (2, "G"), (3, "G")], "once more, and not again"


def test_over_tls_a_kept_connection_is_no_other(tmp_path):
    _, certificate, context = served_by(tmp_path)
    with Acts(["answer", "close", "answer", "close"]) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        web = Web(f"app.example.test:{server.server_port}", scheme="https", authority=certificate)
        with closing(web.session("127.0.0.1")) as session:
            assert [session.get("/").status_code for _ in range(2)] == [200, 200]
            with pytest.raises(CouldNotVerify, match="no connection"):
                session.request("POST", "/")
        assert server.seen == [(1, "G"), (1, "G"), (2, "G"), (2, "P")]
        server.shutdown()


def test_a_connection_that_was_made_anew_is_a_new_one():
    with acting("answer and close", "close", "answer") as (server, session):
        session.get("/")
        assert server.ended.wait(30)  # the end is seen before the next request is sent
        with pytest.raises(CouldNotVerify, match="no connection"):
            session.get("/")
        assert server.seen == [(1, "G"), (2, "G")]


@pytest.mark.parametrize(("act", "words"), [("half", "4 bytes|2 more"), ("silence", "nothing within")])
def test_an_answer_that_breaks_off_or_does_not_come_is_not_asked_for_again(act, words):
    with acting("answer", act, "answer") as (server, session):
        session.get("/")
        with pytest.raises(CouldNotVerify, match=words):
            session.get("/", timeout=0.5 if act == "silence" else 15)
        assert server.seen == [(1, "G"), (1, "G")]


def test_tls_asks_for_the_hostname_and_verifies_it(tmp_path):
    key, certificate, context = served_by(tmp_path)
    asked = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = f"app.example.test:{server.server_port}"
        with pytest.raises(CouldNotVerify, match="TLS failed"):
            Web(name, scheme="https").get("/", "127.0.0.1")
        web = Web(name, scheme="https", authority=certificate)
        assert web.get("/", "127.0.0.1").status_code == 200
        assert set(asked) == {"app.example.test"}
        with pytest.raises(CouldNotVerify, match="TLS failed"):
            web.get("/", "127.0.0.1", host=f"other.test:{server.server_port}")
        assert web.context.check_hostname
        assert web.context.verify_mode is ssl.CERT_REQUIRED
        server.shutdown()
    with pytest.raises(CouldNotVerify, match="authority"):
        Web(name, scheme="https", authority=key).get("/", "127.0.0.1")


def test_fields_as_a_browser_sends_them():
    form = find_forms(LOGIN)[1]
    assert (form.action, form.method) == ("/login", "POST")
    assert form.fields == {"authenticity_token": "a&b+c==", "email": "", "password": ""}


@given(st.text("<>/=\"'abform input", max_size=80))
def test_any_text_is_read(text):
    find_forms(text)
