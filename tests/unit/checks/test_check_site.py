"""Whether a user can log in and browse, and what nginx hands on and writes down."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from checks import check_site
from fixtures.connect.web import web_of
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.network import Browsed, PageAnswer
from fixtures.run.evidence import Problem
from tests.unit.example import PLAN

HERE = "192.0.2.4"
NAME = PLAN.web.hostnames[0]
OWN = str(PLAN.operator.address)
WITHOUT_HEADERS = PLAN.model_copy(update={"web": PLAN.web.model_copy(update={"headers_page": None})})
NO_ANSWER = Problem(subject="GET /staff", expected="an answer", found="nothing within 15 seconds", remedy="look")


def page(path="/", status=200, text="", **headers):
    return PageAnswer(f"http://{NAME}{path}", status, tuple(headers.items()), text)


def browsed(landing=None, json_page=None, **pages):
    signed_in = page(text=f"{PLAN.smoke.signed_in_text} clara")
    return Browsed(landing or signed_in, {f"/{path}": met for path, met in pages.items()}, json_page=json_page)


def test_a_login_that_fails_is_no_go_whatever_pages_say():
    check_site.check_login_works(PLAN, HERE, browsed(staff=NO_ANSWER))
    with pytest.raises(NoGo, match="status 401"):
        check_site.check_login_works(PLAN, HERE, browsed(page(status=401, text="no"), staff=NO_ANSWER))


@pytest.mark.parametrize("met", [page("/staff", 500), page(PLAN.smoke.login_page)])
def test_a_page_that_fails_or_asks_for_the_login_is_no_go(met):
    check_site.check_page_can_be_browsed("/staff", PLAN, HERE, browsed(staff=page("/staff"), other=met))
    with pytest.raises(NoGo, match=f"status {met.status} at {met.url}"):
        check_site.check_page_can_be_browsed("/staff", PLAN, HERE, browsed(staff=met))


def test_a_page_without_an_answer_could_not_be_verified():
    with pytest.raises(CouldNotVerify, match="15 seconds"):
        check_site.check_page_can_be_browsed("/staff", PLAN, HERE, browsed(staff=NO_ANSWER))


def test_a_cached_page_that_the_pack_makes_is_no_go():
    check_site.check_cached_page_is_served_by_nginx("/about", HERE, page("/about"))
    with pytest.raises(NoGo, match="X-Runtime"):
        check_site.check_cached_page_is_served_by_nginx("/about", HERE, page("/about", **{"x-runtime": "0.1"}))


def echo(kind="application/json; charset=utf-8", **seen):
    text = json.dumps({"host": NAME, "x_real_ip": OWN, "x_forwarded_for": OWN} | seen)
    return page("/echo", text=text, **{"content-type": kind})


def test_headers_that_do_not_reach_the_pack_are_no_go():
    check_site.check_headers_reach_the_pack(PLAN, HERE, browsed(json_page=echo()), None)
    with pytest.raises(NoGo, match=r"127\.0\.0\.1"):
        check_site.check_headers_reach_the_pack(PLAN, HERE, browsed(json_page=echo(x_real_ip="127.0.0.1")), None)
    with pytest.raises(NoGo, match="host: none"):
        check_site.check_headers_reach_the_pack(PLAN, HERE, browsed(json_page=echo(kind="text/html")), None)
    with pytest.raises(CouldNotVerify, match="15 seconds"):
        check_site.check_headers_reach_the_pack(PLAN, HERE, browsed(json_page=NO_ANSWER), None)


def test_without_a_page_that_shows_them_nginxs_configuration_tells():
    with pytest.raises(NoGo, match="without Host, X-Real-IP"):
        check_site.check_headers_reach_the_pack(WITHOUT_HEADERS, HERE, browsed(), None)


def test_the_name_of_the_site_is_the_webs():
    assert web_of(PLAN).hostname == NAME


def test_a_request_that_is_not_in_the_log_is_no_go():
    check_site.check_access_log_grows(PLAN, token="a1", seen=True)
    with pytest.raises(NoGo, match="none within 5 seconds"):
        check_site.check_access_log_grows(PLAN, token="a1", seen=False)


def test_a_page_that_a_cache_shows_to_strangers_is_no_go():
    for text, wrong in (("", False), (PLAN.smoke.signed_in_text, True)):
        met = replace(browsed(), stranger=PageAnswer("http://h/", 200, (), text))
        with pytest.raises(NoGo, match="not logged in") if wrong else nullcontext():
            check_site.check_login_is_asked_for("/", PLAN, HERE, met)


@pytest.mark.parametrize(
    ("login_page", "asked", "shown", "inside"),
    [
        ("/", "/staff", "/staff", True),
        ("/", "/staff", "/", False),
        ("/", "/", "/", True),
        ("/w/index.php?title=Login", "/w/index.php?title=Staff", "/w/index.php?title=Staff", True),
        ("/w/index.php?title=Login", "/wiki/Staff", "/w/index.php?title=Login&returnto=Staff", False),
        ("/login", "/logins", "/logins", True),
    ],
)
def test_a_page_is_the_login_page_by_its_path_and_what_its_query_begins_with(login_page, asked, shown, inside):
    plan = PLAN.model_copy(update={"smoke": PLAN.smoke.model_copy(update={"login_page": login_page})})
    met = Browsed(page(), {asked: page(shown)})
    with nullcontext() if inside else pytest.raises(NoGo, match="status 200 at"):
        check_site.check_page_can_be_browsed(asked, plan, HERE, met)


def test_nobody_logs_in_on_closed_production():
    checks = Path(check_site.__file__).parent
    asking = [file.name for file in checks.glob("*.py") if "browsed_at_source" in file.read_text(encoding="utf-8")]
    assert asking == ["check_back_out.py"], "there production is open again"
