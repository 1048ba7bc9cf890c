"""Production and the target as two small web servers on loopback, and a run that asked both."""

import threading
import time
from contextlib import contextmanager, suppress
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fixtures.connect.web import Web
from fixtures.plan import Pages, load_plan
from fixtures.run.records import TargetFacts
from steps.rehearse import sampling
from tests.unit.answers import Answers
from tests.unit.example import EXAMPLE
from tests.unit.loopback import free_port

HTML = {"Content-Type": "text/html; charset=utf-8"}
PRODUCTION, TARGET = "127.0.0.1", "127.0.0.2"


class Site(BaseHTTPRequestHandler):
    """One of the two hosts: it answers from its server's pages, and notes who asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet an answer: none then waits for the acknowledgement of its first half

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with suppress(OSError):  # who waits no longer hears nothing
                self.wfile.write(body)
                self.wfile.flush()

    def do_GET(self):
        server = self.server
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        user = "session" in cookie and cookie["session"].value == "in"
        server.asked.append((self.command, self.path, user, self.headers["User-Agent"], self.headers.get("Cookie", "")))
        server.moments.append(server.clock())
        status, text, headers = server.pages.get(self.path, (404, "no such page", {}))
        if self.path == "/login":
            status, text, headers = 200, LOGIN, {"Set-Cookie": "session=start; path=/"}
        if self.path == "/logout":
            headers = {"Set-Cookie": "session=; path=/"}
        if callable(text):
            text = text()
        if user:
            text += f'\n<p>Signed in as anna</p><meta name="csrf-token" content="{len(server.asked)}">'
        self.reply(status, text.encode(), HTML | {"Set-Cookie": "seen=1; path=/"} | headers)

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(("POST", self.path, False, self.headers["User-Agent"], ""))
        self.reply(302, b"", {"Location": "/", "Set-Cookie": "session=in; path=/"})

    def log_message(self, *args):
        pass


LOGIN = '<form method="post" action="/login"><input name="email"><input name="password"></form>'


@contextmanager
def host(address, port, shown):
    with ThreadingHTTPServer((address, port), Site) as server:
        server.pages, server.asked, server.moments, server.clock = shown, [], [], time.monotonic
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def site():
    """Pages as (status, text or a function that gives it, headers)."""
    return {
        "/": (200, "<h1>Payroll</h1>", {}),
        "/employees": (200, "<h1>Employees</h1>\n<td>Anna</td>", {"X-Frame-Options": "DENY"}),
        "/payslips/7": (302, "", {"Location": "/login"}),
        "/payslips?page=2": (200, "<h1>Payslips</h1>", {}),
        "/a.css": (200, "b { color: red }", {"Content-Type": "text/css"}),
        "/help": (200, "<h1>Help</h1>", {}),
    }


@pytest.fixture
def plan(monkeypatch):
    monkeypatch.setenv("SMOKE", "open sesame")
    made = load_plan(EXAMPLE)
    smoke = made.smoke.model_validate({"user": "anna", "password": {"env": "SMOKE"}, "signed_in_text": "Signed in as"})
    return made.model_copy(
        update={
            "pages": Pages(allow=["/employees", "/payslips(/[0-9]+)?"], keep_query=["page"], per_second=100, apart=0),
            "web": made.web.model_copy(update={"static": ["/a.css"], "cached": ["/help"], "pages": ["/"]}),
            "source": made.source.model_copy(update={"public_address": PRODUCTION}),
            "smoke": smoke,
        }
    )


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def web(port):
    return Web(f"app.example.test:{port}")


@pytest.fixture
def source(port):
    with host(PRODUCTION, port, site()) as server:
        yield server


@pytest.fixture
def target(port):
    with host(TARGET, port, site()) as server:
        yield server


LOGGED = "15 0 0 0\n9 GET 200 /a.css\n3 GET 200 /employees\n2 GET 302 /payslips/7\n1 HEAD 200 /payslips?page=2&t=x\n8 GET 200 /logout\n"


@pytest.fixture
def walked(run, plan, web, source, target):
    """A run up to the rehearsal, and what the checks then see."""
    run.record(
        TargetFacts(instance_id="i-1", private_address=TARGET, public_address=TARGET, allocation_id="", volume_id="",
                    security_group_id="")
    )  # fmt: skip

    def walk(between=lambda: None, after=lambda: None, text=LOGGED):
        sampling.sample_pages.function(plan, run, Answers(text, name="source"), web)
        between()
        sampling.ask_again(plan, run, web)
        after()

    return walk
