"""Whether production's database is closed to everybody."""

import pytest

from checks import check_closed
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.network import PageAnswer
from fixtures.facts.server import Session
from fixtures.facts.wanted import wanted_by
from fixtures.policy.entrants import Entrant
from fixtures.policy.hba import HbaRule
from fixtures.run.evidence import now
from fixtures.run.records import Counters, SourceClosure, Standstill
from tests.unit.example import PLAN

OURS = [
    HbaRule(2, "local", [PLAN.database.name], ["postgres"], "", "", "peer"),
    HbaRule(3, "local", [PLAN.database.name], ["all"], "", "", "reject"),
    HbaRule(4, "host", [PLAN.database.name], ["all"], "all", "", "reject"),
]
OTHER = HbaRule(9, "host", ["all"], ["all"], "127.0.0.1", "255.255.255.255", "scram-sha-256")


SHOWN = {"Retry-After": "120", "Cache-Control": "no-store"}


def answer(status, headers):
    return PageAnswer("http://app.test/", status, tuple(headers.items()), "")


def test_whatever_users_ask_for_the_page_is_shown():
    check, name = check_closed.check_users_see_the_maintenance_page, PLAN.web.hostnames[0]
    asked = wanted_by(check)["answers"].made_of({"plan": PLAN, "hostname": name})
    assert {PLAN.web.static[0], PLAN.application.health, PLAN.smoke.login_page} < asked.keys()
    closed = dict.fromkeys(asked, answer(503, SHOWN))
    check(name, PLAN, closed)
    for other, words in (
        (answer(200, SHOWN), "status 200"),
        (answer(502, {}), "status 502"),
        (answer(503, {}), "no Retry-After and no Cache-Control"),
        (answer(503, {"retry-after": "1"}), "no Cache-Control"),
    ):
        with pytest.raises(NoGo, match=f"{PLAN.web.static[0]}: {words}"):
            check(name, PLAN, closed | {PLAN.web.static[0]: other})


def test_a_main_file_that_somebody_has_rewritten_is_no_go(run):
    check = check_closed.check_nginx_stays_closed
    check({"/etc/nginx/nginx.conf": True})
    with pytest.raises(NoGo, match="somebody else's"):
        check({"/etc/nginx/nginx.conf": False})
    with pytest.raises(NoGo, match="never replaced"):
        check({})
    asked = wanted_by(check)["found"].made_of
    assert asked({"run": run}) == {}
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed=now(), nginx_main="/n"))
    assert [*asked({"run": run})] == ["/n"]


def test_a_password_that_still_lets_in_is_no_go():
    check_closed.check_password_is_refused(PLAN, code="28000")
    with pytest.raises(NoGo, match="accepted"):
        check_closed.check_password_is_refused(PLAN, code=None)


@pytest.mark.parametrize("after", [(8, 3), (7, 4)])
def test_a_write_while_it_is_watched_is_no_go(after):
    check_closed.check_nothing_writes(((7, 3), (7, 3)))
    check_closed.check_nothing_writes(((None, None), (None, None)))
    with pytest.raises(NoGo, match="over 1 s"):
        check_closed.check_nothing_writes(((7, 3), after))


def test_a_role_that_may_log_in_is_no_go_whatever_it_is():
    check = check_closed.check_fenced_roles_may_not_log_in
    check(PLAN, [Entrant("postgres"), Entrant("standby", replicates=True)])
    for name in ("boss", "brand_new", PLAN.database.role):
        with pytest.raises(NoGo, match=name):
            check(PLAN, [Entrant("postgres"), Entrant(name)])


def test_rules_that_let_somebody_in_are_no_go():
    check = check_closed.check_rules_refuse_everybody
    check(PLAN, [*OURS, OTHER], wrong=[], stale=False)
    for rules, wrong, stale, words in (
        ([OTHER, *OURS], [], False, "line 9: host all all 127.0.0.1 scram-sha-256"),
        ([OTHER], [], False, "line 9"),
        (OURS, ["line 7: wrong"], False, "line 7"),
        (OURS, [], True, "changed since"),
    ):
        with pytest.raises(NoGo, match=words):
            check(PLAN, rules, wrong=wrong, stale=stale)


@pytest.mark.parametrize(("code", "words"), [(None, "accepted"), ("28P01", "asked for its password")])
def test_rules_that_are_not_in_force_are_no_go(code, words):
    check_closed.check_server_refuses_by_its_rules(PLAN, code="28000")
    with pytest.raises(NoGo, match=words):
        check_closed.check_server_refuses_by_its_rules(PLAN, code=code)


def test_a_session_is_no_go_whatever_it_calls_itself(run):
    stranger = Session(7, "postgres", "gonogo", "client backend", "")
    check_closed.check_nobody_is_logged_in(PLAN, (), [])
    with pytest.raises(NoGo, match=r"postgres \(gonogo\), process 7"):
        check_closed.check_nobody_is_logged_in(PLAN, (), [stranger])
    question = wanted_by(check_closed.check_nobody_is_logged_in)["found"]
    with pytest.raises(CouldNotVerify, match="source_closure"):
        question.made_of({"plan": PLAN, "run": run, "streams": ()})
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed=now()))
    asked = question.made_of({"plan": PLAN, "run": run, "streams": (8,)})
    assert asked.question == (PLAN.database.name, (8,))


def test_a_subscription_that_feeds_it_is_no_go():
    check_closed.check_no_subscription_feeds_it({"rested": False})
    with pytest.raises(NoGo, match="feed"):
        check_closed.check_no_subscription_feeds_it({"feed": True, "rested": False})


def test_a_write_since_it_closed_is_no_go(run):
    counters = Counters(next_transaction=7, written={}, sequences={}, automatic=0, elsewhere=0, reset="")
    check = check_closed.check_nothing_was_written_since
    with pytest.raises(CouldNotVerify, match="standstill"):
        check(run, counters)
    run.record(Standstill(counters=counters, uploads={}))
    check(run, counters)
    with pytest.raises(NoGo, match=r"public\.t: 1 inserted"):
        check(run, counters.model_copy(update={"written": {"public.t": (1, 0, 0)}}))


def page(status):
    return PageAnswer("http://app/", status, (), "")


def test_a_site_that_is_open_is_sent_nothing(run):
    question = wanted_by(check_closed.check_no_method_reaches_the_application)["answers"]
    given = {"plan": PLAN, "run": run, "hostname": PLAN.web.hostnames[0]}
    assert question.made_of({**given, "page": page(503)}) == {}, "it is overloaded, and nobody has closed it"
    run.record(SourceClosure(logins={}, stopped_units=[], held_files=[], closed=now()))
    assert question.made_of({**given, "page": page(200)}) == {}
    assert set(question.made_of({**given, "page": page(503)})) == {"POST", "PUT", "PATCH", "DELETE"}
    with pytest.raises(CouldNotVerify, match="status 200: it was not asked"):
        check_closed.check_no_method_reaches_the_application(given["hostname"], PLAN, page(200), {})


def test_a_method_that_reaches_the_application_is_no_go():
    first, other = "app.example.test", "www.example.test"
    plan = PLAN.model_copy(update={"web": PLAN.web.model_copy(update={"hostnames": [first, other]})})
    check = check_closed.check_no_method_reaches_the_application
    check(first, plan, page(503), {"POST": (503, ""), "PUT": (405, "")})
    check(other, plan, page(503), {"POST": (301, f"https://{first}/x/")})
    for hostname, answer in (
        (first, (404, "")),
        (first, (204, "")),
        (first, (302, "/login")),
        (first, (302, f"https://{first}/login")),
        (first, (301, "https://elsewhere.test/")),
        (first, (502, "")),
    ):
        with pytest.raises(NoGo, match=f"DELETE: status {answer[0]}"):
            check(hostname, plan, page(503), {"POST": (503, ""), "DELETE": answer})
