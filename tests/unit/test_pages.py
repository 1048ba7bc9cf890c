"""Pages of two hosts compared: what may differ, what is told of a difference, and what production is spared."""

import gzip
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import check_pages
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.accesslog import Candidate
from fixtures.plan import Normalisation, Pages, load_plan
from fixtures.run.evidence import now
from fixtures.run.records import PagesReplayed, PagesSampled, TargetFacts
from fixtures.sameness import pages, replay
from fixtures.sameness.pages import Answer
from steps.rehearse import sampling
from tests.unit.loopback import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PRODUCTION, TARGET = "127.0.0.1", "127.0.0.2"


def html(text, **headers):
    return Answer(200, HTML | headers, text.encode(errors="surrogateescape"))


# --- what may differ ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [
        '<form><input type="hidden" name="authenticity_token" value="{}" autocomplete="off" /></form>',
        "<input value='{}' name='authenticity_token' type=hidden>",
        '<meta name="csrf-token" content="{}" />',
        '<meta content="{}" name="csrf-token">',
        '<meta name="csp-nonce" content="{}">',
        '<INPUT TYPE="hidden" NAME="csrfmiddlewaretoken" VALUE="{}">'.replace("NAME", "name"),
        '<script src="/a.js" nonce="{}"></script>',
        "<style nonce={}>b {{}}</style>",
    ],
)
def test_what_frameworks_put_in_anew_makes_no_difference(page):
    one, two = (pages.fingerprint(html(page.format(token)), Pages()) for token in ("aGVsbG8=", "d29ybGQh+/x"))
    assert one == two
    assert pages.fingerprint(html(page.format("x").replace("<", "<b", 1)), Pages()) != one


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ('<input name="email" value="a">', '<input name="email" value="b">'),
        ('<meta name="description" content="a">', '<meta name="description" content="b">'),
        ("<p>authenticity_token value=a</p>", "<p>authenticity_token value=b</p>"),
        ('<input name="authenticity_token_of" value="a">', '<input name="authenticity_token_of" value="b">'),
    ],
)
def test_other_values_do(one, two):
    assert pages.fingerprint(html(one), Pages()) != pages.fingerprint(html(two), Pages())


def test_ids_of_requests_and_what_the_plan_declares():
    plan = Pages(normalise=[Normalisation(pattern=r"in [0-9.]+ ms", replacement="in no time")])
    texts = (("0a1b2c3d-1", "1.5"), ("9f8e7d6c-2", "22"))
    one, two = (pages.fingerprint(html(f"<p>{i} made in {ms} ms</p>", **{"X-Request-Id": i}), plan) for i, ms in texts)
    assert one == two
    assert pages.without_request_id("1 of 1", "1") == "1 of 1", "a short one could be anything"


def test_nonces_of_the_policy_and_declared_patterns_in_headers():
    plan = Pages(normalise=[Normalisation(pattern="max-age=[0-9]+")])
    one, two = (
        pages.fingerprint(
            html("", **{"Content-Security-Policy": f"script-src 'nonce-{n}' 'self'", "Cache-Control": f"max-age={n}",
                        "Date": str(n), "ETag": str(n), "Set-Cookie": str(n), "X-Runtime": str(n)}),
            plan,
        )
        for n in (1, 22)
    )  # fmt: skip
    assert one == two
    assert set(one.headers) == {"Content-Type", "Content-Security-Policy", "Cache-Control"}


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_of_any_encoding_are_compared_as_they_are(one, two):
    for headers in (HTML, {"Content-Type": "image/png"}, {}):
        prints = [pages.fingerprint(Answer(200, headers, body), Pages(headers=[])) for body in (one, two)]
        assert (prints[0] == prints[1]) == (one == two)


# --- what is told -------------------------------------------------------------------------------------------------------


def told(expected, found):
    return pages.body_differs(
        pages.fingerprint(expected, Pages()), pages.fingerprint(found, Pages()), pages.normal_lines(found, Pages())
    )


def test_a_difference_names_the_line_and_shows_its_tags_alone():
    one = html("<table>\n<tr><td>Anna</td><td class='n'>4312.55</td></tr>\n</table>")
    words = told(one, html(one.body.decode().replace("4312", "9312")))
    assert words == "body: line 2 of 3 (<tr> <td> </td> <td> </td> </tr>), equal length"
    assert told(one, one) == ""
    assert told(one, html("<table>\n<tr>")) == "body: line 2 of 2 (<tr>), 12 bytes instead of 65"
    assert told(one, html("<table>")) == "body: ends before line 2 of 3, 7 bytes instead of 65"
    assert told(one, html(one.body.decode() + "\nmore")) == "body: line 4 of 4, 70 bytes instead of 65"
    assert told(one, Answer(500, HTML, b"")) == "status 500 instead of 200"
    image = Answer(200, {"Content-Type": "image/png"}, b"abc")
    assert told(image, Answer(200, image.headers, b"abd")) == "body: other content, equal length"
    assert told(image, Answer(200, image.headers, b"abc", longer=True)) == "body: other content, equal length"


def test_the_run_keeps_nothing_that_a_page_said():
    kept = pages.fingerprint(html("<td>Anna</td>\n<td>4312.55</td>"), Pages()).model_dump_json()
    assert "Anna" not in kept
    assert "4312" not in kept
    assert len(pages.fingerprint(html("a\nb"), Pages()).lines) == 8


def test_a_header_that_differs_is_named_with_both_values():
    one, two = html("", **{"X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}), html("", Location="/x")
    words = pages.headers_differ(pages.fingerprint(one, Pages()), pages.fingerprint(two, Pages()))
    assert words == (
        "Cache-Control: none instead of no-store; X-Frame-Options: none instead of SAMEORIGIN; Location: /x instead of none"
    )
    assert pages.headers_differ(pages.fingerprint(one, Pages()), pages.fingerprint(Answer(500, {}, b""), Pages())) == ""


# --- two hosts ------------------------------------------------------------------------------------------------------------


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


SAMPLE = [
    Candidate("GET", "/employees", 3),
    Candidate("GET", "/payslips/7", 2),
    Candidate("HEAD", "/payslips?page=2", 1),
    Candidate("GET", "/a.css", 9),
]


@pytest.fixture
def plan(monkeypatch):
    monkeypatch.setenv("SMOKE", "open sesame")
    made = load_plan(EXAMPLE)
    smoke = made.smoke.model_validate({"user": "anna", "password": {"env": "SMOKE"}, "signed_in_text": "Signed in as"})
    return made.model_copy(
        update={
            "pages": Pages(allow=["/employees", "/payslips(/[0-9]+)?"], keep_query=["page"], per_second=100),
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


class Log:
    """A source host whose access log was counted."""

    name = "source"

    def __init__(self, text):
        self.text = text

    def check(self, argv):
        assert argv[0] == "sh"
        return self.text


LOGGED = "15 0 0 0\n9 GET 200 /a.css\n3 GET 200 /employees\n2 GET 302 /payslips/7\n1 HEAD 200 /payslips?page=2&t=x\n8 GET 200 /logout\n"


@pytest.fixture
def walked(run, plan, web, source, target):
    """A run up to the rehearsal, and what the checks then see."""
    run.record(
        TargetFacts(instance_id="i-1", private_address=TARGET, public_address=TARGET, allocation_id="", volume_id="",
                    security_group_id="")
    )  # fmt: skip

    def walk(between=lambda: None, after=lambda: None, text=LOGGED):
        sampling.sample_pages.function(plan, run, Log(text), web)
        between()
        sampling.ask_again(plan, run, web)
        after()

    return walk


def compared(run, plan, web):
    return replay.compare(web, TARGET, PRODUCTION, run.records(PagesReplayed), plan)


def judge(check, *arguments):
    """The words of a check: empty when it is go."""
    try:
        check(*arguments)
    except NoGo as error:
        return str(error)
    return ""


def all_of(found, run):
    log = Path("/var/log/nginx/access.log")
    return {
        "sampled": judge(check_pages.check_sampled_pages_match, log, found, run),
        "signed in": judge(check_pages.check_signed_in_pages_match, found, run),
        "static": judge(check_pages.check_static_files_match, found, run),
        "error": judge(check_pages.check_error_page_matches, found, run),
        "headers": judge(check_pages.check_headers_match, found, run),
    }


def red(found, run):
    return {name: words for name, words in all_of(found, run).items() if words}


def test_equal_hosts_are_go_and_only_allowed_pages_are_asked(walked, run, plan, web, source, target):
    walked()
    assert red(compared(run, plan, web), run) == {}
    sampled = run.records(PagesSampled)
    check_pages.check_only_allowed_pages_are_asked(plan, sampled)
    check_pages.check_every_page_was_recorded(plan, sampled)
    check_pages.check_log_was_sampled(Path("/log"), sampled)
    assert (sampled.lines, sampled.candidates) == (15, 3)
    wanted = {"/", "/a.css", "/employees", "/help", "/login", "/payslips/7", "/payslips?page=2", replay.ABSENT}
    for server in (source, target):
        assert {path for _, path, *_ in server.asked} == wanted
        assert {agent for *_, agent, _ in server.asked} == {"gonogo"}
        assert {(method, path) for method, path, *_ in server.asked if method != "GET"} == {
            ("POST", "/login"), ("HEAD", "/payslips?page=2"),
        }  # fmt: skip
        assert not [one for one in server.asked if not one[2] and one[1] != "/login" and one[4]], (
            "visitors bring no cookies"
        )
    assert len(source.asked) == 2 * len(target.asked), "twice, and never again where nothing differs"


def test_a_word_of_equal_length_is_named_with_its_line(walked, run, plan, web, target):
    walked()
    target.pages["/employees"] = (200, "<h1>Employees</h1>\n<td>Anne</td>", {"X-Frame-Options": "DENY"})
    found = red(compared(run, plan, web), run)
    assert set(found) == {"sampled", "signed in"}
    assert "/employees: body: line 2 of 2 (<td> </td>), equal length" in found["sampled"]
    assert "Ann" not in found["sampled"]


def test_a_header_that_is_gone_is_red_alone(walked, run, plan, web, target):
    walked()
    target.pages["/employees"] = (200, site()["/employees"][1], {})
    found = red(compared(run, plan, web), run)
    assert set(found) == {"headers"}
    assert "/employees: X-Frame-Options: none instead of DENY" in found["headers"]


def test_static_files_error_pages_redirects_and_statuses(walked, run, plan, web, target):
    walked()
    target.pages["/help"] = (200, "<h1>Held</h1>", {})
    target.pages[replay.ABSENT] = (404, "another page", {})
    target.pages["/payslips/7"] = (302, "", {"Location": "http://elsewhere.test/"})
    target.pages["/"] = (200, "<h1>Other</h1>", {})
    found = red(compared(run, plan, web), run)
    assert set(found) == {"static", "error", "headers", "signed in"}
    assert "/help: body: line 1 of 1" in found["static"]
    assert "Location: http://elsewhere.test/ instead of /login" in found["headers"]
    target.pages["/employees"] = (503, "", {})
    assert "/employees: status 503 instead of 200" in red(compared(run, plan, web), run)["sampled"]


def test_what_production_changes_itself_is_told_and_not_claimed(walked, run, plan, web, source, target):
    walked(between=lambda: source.pages.update({"/employees": (200, "<td>Bert</td>", {})}))
    changed = run.records(PagesReplayed).changed
    assert {(page.kind, page.url) for page in changed} == {("sampled", "/employees"), ("signed in", "/employees")}
    assert red(compared(run, plan, web), run) == {}


def test_what_production_changes_after_the_rehearsal_is_not_held_against_the_target(
    walked, run, plan, web, source, target
):
    walked(after=lambda: source.pages.update({"/employees": (200, "<td>Bert</td>", {})}))
    target.pages["/employees"] = (200, "<td>Carl</td>", {})
    found = compared(run, plan, web)
    assert {page.url for page in found.changed} == {"/employees"}
    assert red(found, run) == {}
    target.pages["/employees"] = source.pages["/employees"]
    assert compared(run, plan, web).changed == [], "both show the same now"


def test_pages_that_all_change_prove_nothing(walked, run, plan, web, source):
    source.pages[replay.ABSENT] = (404, lambda: f"<p>{time.monotonic_ns()}</p>", {})
    walked()
    with pytest.raises(CouldNotVerify, match=replay.ABSENT) as caught:
        check_pages.check_error_page_matches(compared(run, plan, web), run)
    assert "pages.normalise" in caught.value.remedy


def test_a_log_without_an_allowed_page_could_not_verify(walked, run, plan, web):
    walked(text="5 0 5 0\n")
    with pytest.raises(CouldNotVerify, match="5 of no known format"):
        check_pages.check_log_was_sampled(Path("/log"), run.records(PagesSampled))
    with pytest.raises(CouldNotVerify, match="none was asked"):
        check_pages.check_sampled_pages_match(Path("/log"), compared(run, plan, web), run)
    with pytest.raises(CouldNotVerify, match="awk"):
        walked(text="")


def test_without_patterns_the_log_is_not_even_read(run, plan, web, source):
    plan = plan.model_copy(update={"pages": Pages(per_second=100)})
    sampling.sample_pages.function(plan, run, None, web)
    assert {page.kind for page in run.records(PagesSampled).pages} == {"static", "error", "signed in"}
    assert {path for _, path, *_ in source.asked} == {"/", "/a.css", "/help", "/login", replay.ABSENT}


def test_a_page_that_ends_the_session_is_found_out(run, plan, web, source):
    source.pages["/logout"] = (200, "bye", {})
    wanted = replay.pages_to_ask(plan, [Candidate("GET", "/logout", 1)])
    with pytest.raises(CouldNotVerify, match="is a logout among"):
        list(replay.ask(web, PRODUCTION, wanted, plan, gently=True))


def test_pages_that_were_not_allowed_are_red(plan, walked, run):
    walked()
    narrower = plan.model_copy(update={"pages": Pages(allow=["/payslips.*"])})
    assert "/employees" in judge(check_pages.check_only_allowed_pages_are_asked, narrower, run.records(PagesSampled))
    wider = plan.model_copy(update={"web": plan.web.model_copy(update={"pages": ["/", "/new"]})})
    assert "/new" in judge(check_pages.check_every_page_was_recorded, wider, run.records(PagesSampled))


def test_an_older_replay_is_not_taken_for_this_samples(walked, run, plan, web):
    walked()
    run.record(run.records(PagesSampled).model_copy(update={"recorded": now()}))
    with pytest.raises(CouldNotVerify, match="after the copy"):
        check_pages.of_the_latest_sample(run)


def test_a_body_that_goes_on_beyond_what_is_read_is_not_called_equal(
    walked, run, plan, web, source, target, monkeypatch
):
    monkeypatch.setattr(pages, "LONGEST", 100_000)
    for server, end in ((source, "x"), (target, "y")):
        server.pages["/help"] = (200, "a" * 200_000 + end, {})
    walked()
    with pytest.raises(CouldNotVerify, match="longer: /help"):
        check_pages.check_static_files_match(compared(run, plan, web), run)


def test_no_body_is_kept_while_the_next_page_is_asked_for(walked, run, plan, web, monkeypatch):
    monkeypatch.setattr(replay, "EVERY", 0.0)
    walked()
    answers, told = [], []

    def one_by_one(answer, *_):
        answers.append(weakref.ref(answer))
        assert sum(known() is not None for known in answers) < 4
        return made(answer, plan.pages)

    made = pages.fingerprint
    monkeypatch.setattr(pages, "fingerprint", one_by_one)
    found = replay.compare(web, TARGET, PRODUCTION, run.records(PagesReplayed), plan, told.append)
    assert len(found.equal) == len(answers) > 5
    assert f"5 of {len(answers)} pages at {TARGET}" in told


# --- what production is spared ----------------------------------------------------------------------------------------------


def test_production_is_asked_at_the_plans_rate(web, plan, source, monkeypatch):
    passed = 0.0  # a clock that only sleeping moves: how busy this machine is says nothing about the rate

    def sleep(seconds):
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(replay, "time", SimpleNamespace(monotonic=lambda: passed, sleep=sleep))
    source.clock = lambda: passed
    slowly = plan.model_copy(update={"pages": plan.pages.model_copy(update={"per_second": 20})})
    list(replay.ask(web, PRODUCTION, replay.pages_to_ask(plan, SAMPLE), slowly, gently=True))
    assert len(source.asked) > 10
    assert source.moments[-1] - source.moments[0] == pytest.approx((len(source.asked) - 1) / 20)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_production_in_trouble_is_left_alone(web, plan, source, status):
    for n in range(9):
        source.pages[f"/payslips/{n}"] = (status if n != 1 else 200, "", {})
    wanted = replay.pages_to_ask(plan, [Candidate("GET", f"/payslips/{n}", 1) for n in range(9)])
    with pytest.raises(CouldNotVerify, match=f"3 answers of trouble in a row, the last with status {status}"):
        list(replay.ask(web, PRODUCTION, wanted, plan, gently=True))
    assert [path for _, path, *_ in source.asked][-1] == "/payslips/4"
    source.asked.clear()
    list(replay.ask(web, PRODUCTION, [page for page in wanted if page.kind == "sampled"], plan, gently=False))
    assert len(source.asked) == 9, "the target may have its troubles: they are compared"


def test_slow_production_is_left_alone(web, plan, source, monkeypatch):
    monkeypatch.setattr(replay, "SLOW", 1.0)  # enough for the pages before it on a busy machine
    source.pages["/help"] = (200, lambda: time.sleep(1.5) or "late", {})
    with pytest.raises(CouldNotVerify, match=r"/help.*\n.*\n.*nothing within 1 seconds"):
        list(replay.ask(web, PRODUCTION, replay.pages_to_ask(plan, SAMPLE), plan, gently=True))
    assert source.asked[-1][1] == "/help"


def test_a_body_is_read_decoded_and_to_its_bound(web, plan, port, monkeypatch):
    monkeypatch.setattr(pages, "LONGEST", 1000)

    class Compressed(Site):
        def do_GET(self):
            body = {"/short": b"a" * 1000, "/long": b"b" * 10**6}.get(self.path, b"")
            cut = {"Content-Length": "50"} if self.path == "/cut" else {}
            self.reply(200, gzip.compress(body), {"Content-Encoding": "gzip", **HTML, **cut})
            self.close_connection = True

    with ThreadingHTTPServer((TARGET, port), Compressed) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        wanted = replay.pages_to_ask(plan, [Candidate("GET", "/short", 1), Candidate("GET", "/long", 1)])
        shown = list(replay.ask(web, TARGET, [page for page in wanted if page.kind == "sampled"], plan, gently=False))
        assert [(one.answer.body, one.answer.longer) for one in shown] == [(b"a" * 1000, False), (b"b" * 1000, True)]
        assert pages.fingerprint(shown[0].answer, Pages()).headers["Content-Encoding"] == "gzip"
        broken = SimpleNamespace(kind="sampled", method="GET", url="/cut")
        with pytest.raises(CouldNotVerify, match="broke off"):
            list(replay.ask(web, TARGET, [broken], plan, gently=False))
        server.shutdown()
