"""The ready checks of docs/own_checks: each one is seen go and no-go, and each question is put to something that answers."""

import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import ThreadingHTTPServer

import pytest

from docs.own_checks import (
    check_agent,
    check_certificate,
    check_export,
    check_licence,
    check_mail,
    check_number,
    check_partner,
    check_queue,
    check_room,
    check_search_index,
)
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.fact import ask
from fixtures.facts.network import PageAnswer
from fixtures.run.evidence import now
from tests.unit.answers import Answers, ThisMachine
from tests.unit.example import PLAN, ROOT
from tests.unit.fixtures import test_plugin
from tests.unit.loopback import free_port
from tests.unit.websites import Replying

suite = test_plugin.suite
READY = ROOT / "docs" / "own_checks"
HERE = "127.0.0.1"


def here(fact, **words):
    """What a fact says of this machine, with some of its words in the place of the example's."""
    return ask(ThisMachine(), replace(fact, argv=tuple(words.get(word, word) for word in fact.argv)))


@contextmanager
def listening(*lines):
    """A server on loopback that says the lines to whoever comes; its port."""
    with socket.create_server((HERE, 0)) as server:

        def serve():
            for line in lines:
                caller, _ = server.accept()
                caller.sendall(line)
                caller.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


class Rows:
    """A database that answers every query with these rows."""

    def __init__(self, *values):
        self.values = values

    def rows(self, *_, **__):
        return [self.values]


def test_queue():
    assert ask(Rows(3), check_queue.WAITING) == 3
    check_queue.check_queue_is_empty(0)
    with pytest.raises(NoGo) as caught:
        check_queue.check_queue_is_empty(3)
    assert caught.value.found == "3"


def test_mail():
    with listening(b"220 relay ESMTP\r\n") as port:
        greeting = here(check_mail.GREETED, **{check_mail.RELAY: HERE, check_mail.PORT: str(port)})
    assert greeting == "220 relay ESMTP"
    check_mail.check_relay_answers(greeting)
    nobody = here(check_mail.GREETED, **{check_mail.RELAY: HERE, check_mail.PORT: str(free_port())})
    for answer, found in ((nobody, "no answer"), ("554 go away", "554 go away")):
        with pytest.raises(NoGo) as caught:
            check_mail.check_relay_answers(answer)
        assert caught.value.found == found


@pytest.mark.parametrize("name", ["localhost", HERE])
def test_licence(name, monkeypatch):
    monkeypatch.setattr(check_licence, "SERVER", name)
    with listening(b"") as port:
        tried = here(check_licence.TRIED, **{"licences.example.org": name, "27000": str(port)})
        monkeypatch.setattr(check_licence, "PORT", port)
        check_licence.check_licence_server_is_reached(tried)
    port = free_port()
    monkeypatch.setattr(check_licence, "PORT", port)
    tried = here(check_licence.TRIED, **{"licences.example.org": name, "27000": str(port)})
    with pytest.raises(NoGo, match="refused"):
        check_licence.check_licence_server_is_reached(tried)


def page(text, status=200):
    return PageAnswer("http://a/search", status, (), text)


def test_search_index():
    check_search_index.check_search_finds_as_much(page("12 results"), page("12 results"))
    with pytest.raises(NoGo) as caught:
        check_search_index.check_search_finds_as_much(page("12 results"), page("0 results"))
    assert (caught.value.expected, caught.value.found) == ("12", "0")
    for before in (page("nothing"), page("12 results", 404), page("0 results")):
        with pytest.raises(CouldNotVerify):
            check_search_index.check_search_finds_as_much(before, page("0 results"))


def test_export(tmp_path):
    words = {check_export.DIRECTORY: str(tmp_path)}
    assert here(check_export.NEWEST, **words) is None
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.csv").touch()
    newest = here(check_export.NEWEST, **words)
    assert newest is not None
    check_export.check_export_is_fresh(newest)
    for stale in (None, now() - timedelta(hours=27)):
        with pytest.raises(NoGo):
            check_export.check_export_is_fresh(stale)
    with pytest.raises(CouldNotVerify):
        here(check_export.NEWEST, **{check_export.DIRECTORY: str(tmp_path / "none")})


def test_room():
    percent = here(check_room.free(PLAN), **{str(PLAN.target.volume.mount): "/"})
    assert 0 <= percent["/"] <= 100
    recorded = "Mounted on Use%\n/            14%\n/mnt data    91%\n"
    percent = ask(Answers(recorded), check_room.free(PLAN))
    assert percent == {"/": 86, "/mnt data": 9}
    with pytest.raises(NoGo) as caught:
        check_room.check_disks_have_room(percent)
    assert caught.value.found == "/mnt data: 9 %"
    check_room.check_disks_have_room({"/": 86})


@pytest.fixture
def tls_port(tmp_path):
    """A server of TLS with a certificate of 10 days."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", "/CN=localhost",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"], check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    command = [
        "openssl",
        "s_server",
        "-accept",
        f"{HERE}:{port}",
        "-cert",
        "certificate.pem",
        "-key",
        "key.pem",
        "-www",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        while b"ACCEPT" not in (line := server.stdout.readline()):
            assert line, "it listens"
        yield port
        server.terminate()


def test_certificate(tls_port):
    end = here(check_certificate.END, **{check_certificate.SERVICE: HERE, check_certificate.PORT: str(tls_port)})
    assert timedelta(days=9) < end - now() < timedelta(days=11)
    with pytest.raises(NoGo, match="until"):
        check_certificate.check_certificate_is_valid_long_enough(end)
    check_certificate.check_certificate_is_valid_long_enough(end + timedelta(days=30))
    assert check_certificate.read_end("notAfter=Jan  5 12:00:00 2027 GMT\n") == datetime(2027, 1, 5, 12, tzinfo=UTC)
    with pytest.raises(CouldNotVerify):
        here(check_certificate.END, **{check_certificate.SERVICE: HERE, check_certificate.PORT: str(free_port())})


class Health(Replying):
    def do_GET(self):  # noqa: N802 - the standard library's name
        self.reply(503 if self.path == "/down" else 200, "so it is")


def test_partner():
    with ThreadingHTTPServer((HERE, 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://{HERE}:{server.server_port}"
        answers = [here(check_partner.ANSWERED, **{check_partner.URL: f"{place}/{path}"}) for path in ("up", "down")]
        server.shutdown()
    nobody = here(check_partner.ANSWERED, **{check_partner.URL: f"http://{HERE}:{free_port()}/"})
    assert [*answers, nobody] == [200, 503, 0]
    check_partner.check_partner_answers(200)
    for status, found in ((503, "status 503"), (0, "no answer")):
        with pytest.raises(NoGo) as caught:
            check_partner.check_partner_answers(status)
        assert caught.value.found == found


def test_number():
    total = ask(Rows(Decimal("12.50")), check_number.TOTAL)
    check_number.check_total_is_the_same(total, Decimal("12.5"))
    for after in (Decimal("12.49"), None):
        with pytest.raises(NoGo):
            check_number.check_total_is_the_same(total, after)
    with pytest.raises(CouldNotVerify):
        check_number.check_total_is_the_same(None, None)


def test_agent():
    running = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
    check_agent.check_agent_runs(ask(Answers(running), check_agent.SHOWN))
    for answer, found in (
        (running.replace("enabled", "disabled"), "active, disabled"),
        (running.replace("=active", "=failed"), "failed, enabled"),
        ("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n", "no such unit"),
    ):
        with pytest.raises(NoGo) as caught:
            check_agent.check_agent_runs(ask(Answers(answer), check_agent.SHOWN))
        assert caught.value.found == found


def with_own(suite, *files):
    (suite / "my-checks").mkdir()
    for file in files:
        shutil.copy(file, suite / "my-checks")
    with (suite / "plan.toml").open("a") as plan:
        plan.write('\n[own]\nchecks = "my-checks"\n')


def test_all_of_them_are_collected_beside_a_plan_and_each_has_a_test_here(suite):
    files = sorted(READY.glob("*.py"))
    assert len(files) == 10
    with_own(suite, *files)
    _, out = test_plugin.run(suite, "checks/", "--collect-only", "-q")
    found = {line.partition("::")[0] for line in out.splitlines() if line.startswith("own/")}
    assert found == {f"own/{file.name}" for file in files}, out
    tests = {f"check_{name.removeprefix('test_')}.py" for name in globals() if name.startswith("test_")}
    assert {file.name for file in files} <= tests


def test_the_example_of_the_page_is_a_check(suite):
    page = (ROOT / "docs" / "own-checks.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    with_own(suite)
    (suite / "my-checks" / "check_logo.py").write_text(example)
    _, out = test_plugin.run(suite, "checks/", "--collect-only", "-q", "-m", "web_configured")
    assert "own/check_logo.py::check_logo_is_there" in out, out
    namespace = {}
    exec(example, namespace)
    with pytest.raises(NoGo) as caught:
        namespace["check_logo_is_there"](None)
    assert f"```\n{caught.value}\n```" in page, "it is shown as it is said"
    namespace["check_logo_is_there"](object())
    for file in READY.glob("*.py"):
        assert f"`{file.name}`" in page, "each one is named on the page"
