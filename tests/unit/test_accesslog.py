"""What of an access log may be asked again: never another host, another method, or a path that the plan does not allow."""

import gzip
import re
import subprocess
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.facts import accesslog
from fixtures.facts.accesslog import Asked, Candidate, LogPart
from fixtures.plan import Pages

NAMES = ["app.example.test", "www.example.test"]
PAGES = Pages(allow=["/", "/employees", "/payslips/[0-9]+", "/pages/.*"], keep_query=["page"])
BEFORE = '203.0.113.9 - anna [12/Nov/2026:10:00:00 +0000] "'
AFTER = ' 1234 "http://app.example.test/secret?who=anna" "Mozilla/5.0" host=app.example.test time=0.003'


def line(request, status=200, before=BEFORE, after=AFTER):
    return f'{before}{request}" {status}{after}\n'


def part(directory, pages=PAGES, limit=accesslog.BYTES):
    done = subprocess.run(
        accesslog.command(str(directory / "log"), pages, limit), capture_output=True, text=True, check=True
    )
    return accesslog.read(done.stdout), done.stdout


def test_a_log_is_counted_and_nothing_of_it_but_requests_is_told(tmp_path):
    (tmp_path / "log").write_text(
        line("GET /employees?page=2&token=s3cret HTTP/1.1") * 3
        + line("HEAD / HTTP/1.1", 302)
        + line("POST /login HTTP/1.1")
        + line("GET /payslips/7#top HTTP/1.1", after=" 12")  # common format
        + line("GET /mine HTTP/1.1", after=' 1 "-" "gonogo"')
        + line("GET /theirs HTTP/1.1", after=' 1 "-" "gonogo-users"')
        + line("\\x16\\x03\\x01", 400)
        + "nonsense\n"
        + line("GET /cut", status="", after="")
    )
    found, text = part(tmp_path, Pages(allow=["/"]))
    assert (found.lines, found.own, found.malformed, found.other_methods) == (11, 1, 3, 1)
    assert set(found.asked) == {
        Asked("GET", 200, "/employees", 3),
        Asked("HEAD", 302, "/", 1),
        Asked("GET", 200, "/payslips/7", 1),
        Asked("GET", 200, "/theirs", 1),
    }
    for secret in ("203.0.113.9", "anna", "Mozilla", "secret", "s3cret", "page=2"):
        assert secret not in text
    assert "page=2&token" in part(tmp_path)[1], "queries are kept for a plan that keeps some of them"


def test_the_log_of_before_goes_along_while_the_present_one_is_short(tmp_path):
    old, new = line("GET /old HTTP/1.1"), line("GET /new HTTP/1.1")
    (tmp_path / "log").write_text(new)
    (tmp_path / "log.1").write_text(old * 5)
    targets = lambda limit: {one.target: one.times for one in part(tmp_path, limit=limit)[0].asked}  # noqa: E731
    assert targets(10**6) == {"/new": 1, "/old": 5}
    assert targets(len(new) + 2 * len(old)) == {"/new": 1, "/old": 2}
    assert targets(len(new)) == {"/new": 1}
    (tmp_path / "log.1").unlink()
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(old.encode() * 4))
    assert targets(10**6) == {"/new": 1, "/old": 4}
    (tmp_path / "log").write_text("")
    (tmp_path / "log.1.gz").unlink()
    assert part(tmp_path)[0] == LogPart(0, 0, 0, 0, ())


def test_a_log_that_is_not_there_is_no_empty_one(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        part(tmp_path)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/employees?page=2&token=x", "/employees?page=2"),
        ("/employees?token=x", "/employees"),
        ("/employees?page=1&page=2#there", "/employees?page=1&page=2"),
        ("/a/../employees", "/employees"),
        ("/a/./b/..", "/a/"),
        ("/%65mployees", "/employees"),
        ("/caf\\xC3\\xA9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("http://APP.example.test:80/employees", "/employees"),
        ("https://www.example.test", "/"),
        ("http://elsewhere.test/employees", None),
        ("http://app.example.test@elsewhere.test/", None),
        ("//elsewhere.test/employees", None),
        ("/payslips//7", None),
        ("/a%2f..%2flogout", None),
        ("/%252e%252e/logout", None),
        ("/a\\x5Clogout", None),
        ("/a%0d%0aHost:%20b", None),
        ("/%ff", None),
        ("/%zz", None),
        ("*", None),
        ("app.example.test:443", None),
        ("/" + "a" * 3000, None),
    ],
)
def test_the_url_of_a_logged_target(target, url):
    assert accesslog.url_of(target, NAMES, PAGES.keep_query) == url


PIECES = st.sampled_from(
    [*"/.?#%;@:\\&=", "..", "//", "%2e", "%2F", "%25", "\\x2f", "http://", "app.example.test", "elsewhere.test", "logout", "employees",
     "payslips", "pages", "7", "page=1", "\u0663", "\n", "\x00", "é"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=12).map("".join))
def test_no_target_leads_to_another_host_or_around_the_plan(target):
    url = accesslog.url_of(target, NAMES, PAGES.keep_query)
    if url is None:
        return
    assert re.fullmatch(r"/[!-~]*", url)
    whole = urlsplit(urljoin("http://app.example.test/", url))
    assert (whole.scheme, whole.netloc, whole.fragment) == ("http", "app.example.test", "")
    assert accesslog.url_of(url, NAMES, PAGES.keep_query) == url, "normal already"
    assert whole.path == url.partition("?")[0], "nothing is left for anybody to resolve"
    assert accesslog.allowed(url, PAGES) == any(re.fullmatch(p, unquote(whole.path)) for p in PAGES.allow)
    assert {field.partition("=")[0] for field in whole.query.split("&") if field} <= {"page"}


@given(
    st.lists(
        st.builds(
            Asked,
            st.sampled_from(["GET", "HEAD"]),
            st.integers(100, 599),
            st.lists(PIECES, max_size=8).map("/".join),
            st.integers(1, 99),
        ),
        max_size=20,
    ),
    st.integers(0, 12),
)
def test_a_sample_holds_only_what_is_allowed_each_once_and_is_always_the_same(asked, size):
    chosen = accesslog.choose(accesslog.candidates(LogPart(0, 0, 0, 0, tuple(asked)), PAGES, NAMES), size)
    assert len(chosen) == len({(one.method, one.url) for one in chosen}) <= size
    assert all(one.method in ("GET", "HEAD") and accesslog.allowed(one.url, PAGES) for one in chosen)
    turned = LogPart(0, 0, 0, 0, tuple(reversed(asked)))
    assert {(one.method, one.url) for one in chosen} == {
        (one.method, one.url) for one in accesslog.choose(accesslog.candidates(turned, PAGES, NAMES), size)
    }


@given(st.lists(st.text(max_size=60), max_size=5))
def test_whatever_a_line_holds_only_get_and_head_are_read(lines):
    found = accesslog.read("\n".join(["0 0 0 0", *lines]))
    assert {one.method for one in found.asked} <= {"GET", "HEAD"}


def test_other_methods_are_never_read():
    assert accesslog.read("2 0 0 0\n1 POST 200 /employees\n1 DELETE 200 /employees\n").asked == ()


def test_every_shape_is_seen_and_what_is_asked_more_is_seen_oftener():
    shapes = {
        "many": [Candidate("GET", f"/payslips/{n}", 10) for n in range(100)],
        "some": [Candidate("GET", f"/employees/{n}", 2) for n in range(100)],
        "rare": [Candidate("GET", "/pages/help", 1)],
    }
    chosen = [one.url.split("/")[1] for one in accesslog.choose(shapes, 14)]
    assert {name: chosen.count(name) for name in sorted(set(chosen))} == {"employees": 3, "pages": 1, "payslips": 10}
    assert len(accesslog.choose(shapes, 3)) == 3
    assert accesslog.choose({"one": [Candidate("GET", "/a", 1), Candidate("GET", "/b", 9)]}, 1)[0].url == "/b"


def test_shapes_leave_numbers_aside():
    asked = (
        Asked("GET", 200, "/payslips/7", 1),
        Asked("GET", 200, "/payslips/8", 1),
        Asked("GET", 404, "/payslips/9", 1),
    )
    shapes = accesslog.candidates(LogPart(0, 0, 0, 0, asked), PAGES, NAMES)
    assert {name: len(shape) for name, shape in shapes.items()} == {"GET 2 /payslips/N": 2, "GET 4 /payslips/N": 1}
