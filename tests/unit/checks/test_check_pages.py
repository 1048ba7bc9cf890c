"""Pages of the target match production's: the checks against two hosts on loopback, each seen red."""

import itertools
import time
from datetime import timedelta
from pathlib import Path

import pytest

from checks import check_pages
from fixtures.connect.web import BROWSER
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Pages
from fixtures.run.evidence import now
from fixtures.run.records import PagesReplayed, PagesSampled
from fixtures.sameness import pages, replay
from steps.rehearse import sampling
from tests.unit import two_hosts
from tests.unit.two_hosts import PRODUCTION, TARGET, site

plan = two_hosts.plan
port = two_hosts.port
source = two_hosts.source
target = two_hosts.target
walked = two_hosts.walked
web = two_hosts.web


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
        "sampled": judge(check_pages.check_sampled_pages_match, log, run, found),
        "signed in": judge(check_pages.check_signed_in_pages_match, run, found),
        "static": judge(check_pages.check_static_files_match, run, found),
        "error": judge(check_pages.check_error_page_matches, run, found),
        "headers": judge(check_pages.check_headers_match, run, found),
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
        assert {agent for *_, agent, _ in server.asked} == {BROWSER["User-Agent"]}
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


def counting(first):
    """A page whose first line is another each time, and whose others rest."""
    numbers = itertools.count(first)
    return lambda: f"<p>{next(numbers)} visits</p>\n<p>of Anna</p>"


def test_a_line_that_moves_by_itself_is_learnt_and_the_others_are_compared(walked, run, plan, web, source, target):
    source.pages["/employees"] = (200, counting(0), {})
    target.pages["/employees"] = (200, counting(100), {})
    walked()
    learnt = [page for page in run.records(PagesReplayed).pages if page.url == "/employees"]
    assert [page.unsteady for page in learnt] == [[0], [0]]
    assert red(compared(run, plan, web), run) == {}
    target.pages["/employees"] = (200, "<p>100 visits</p>\n<p>of Bert</p>", {})
    assert "/employees: body: line 2 of 2" in red(compared(run, plan, web), run)["sampled"]
    target.pages["/employees"] = (200, "<p>100 visits</p>", {})
    assert "/employees: body: ends before line 2" in red(compared(run, plan, web), run)["sampled"]


def test_a_line_that_moves_only_after_the_rehearsal_is_learnt_from_production_then(
    walked, run, plan, web, source, target
):
    source.pages["/employees"] = target.pages["/employees"] = (200, "<p>3 hours ago</p>\n<p>Anna</p>", {})
    walked()
    source.pages["/employees"] = (200, "<p>5 hours ago</p>\n<p>Anna</p>", {})
    target.pages["/employees"] = (200, "<p>4 hours ago</p>\n<p>Anna</p>", {})
    found = compared(run, plan, web)
    assert "/employees" in [page.url for page in found.equal]
    assert red(found, run) == {}
    target.pages["/employees"] = (200, "<p>4 hours ago</p>\n<p>Bert</p>", {})
    assert "/employees: body: line 2 of 2" in red(compared(run, plan, web), run)["sampled"]


def test_a_page_of_one_long_line_is_compared_in_pieces(walked, run, plan, web, source, target):
    visits, rows = counting(0), "".join(f"<td>row {number}</td>" for number in range(60))
    source.pages["/employees"] = (200, lambda: visits().replace("\n", "") + rows, {})
    target.pages["/employees"] = (200, "<p>7 visits</p><p>of Anna</p>" + rows, {})
    walked()
    assert red(compared(run, plan, web), run) == {}
    target.pages["/employees"] = (200, "<p>7 visits</p><p>of Anna</p>" + rows.replace("row 59", "row 60"), {})
    assert "/employees: body: line 124" in red(compared(run, plan, web), run)["sampled"]


def test_a_page_that_never_rests_is_a_limit_and_its_status_and_headers_are_compared(
    walked, run, plan, web, source, target
):
    source.pages[replay.ABSENT] = (404, lambda: f"<p>{time.monotonic_ns()}</p>", {})
    target.pages[replay.ABSENT] = (404, "<p>other</p>", {})
    walked()
    assert [page.url for page in run.records(PagesReplayed).changed] == [replay.ABSENT]
    found = compared(run, plan, web)
    assert [page.url for page in found.moving] == [replay.ABSENT]
    assert red(found, run) == {}
    check_pages.check_error_page_matches(run, found)
    target.pages[replay.ABSENT] = (200, "<p>other</p>", {})
    assert f"{replay.ABSENT}: status 200 instead of 404" in red(compared(run, plan, web), run)["error"]
    target.pages[replay.ABSENT] = (404, "<p>other</p>", {"X-Frame-Options": "DENY"})
    assert "X-Frame-Options" in red(compared(run, plan, web), run)["headers"]


def test_pages_that_all_changed_since_the_rehearsal_prove_nothing(walked, run, plan, web, source):
    source.pages[replay.ABSENT] = (404, "<p>before</p>", {})
    walked(after=lambda: source.pages.update({replay.ABSENT: (404, "<p>since</p>", {})}))
    with pytest.raises(CouldNotVerify, match=replay.ABSENT) as caught:
        check_pages.check_error_page_matches(run, compared(run, plan, web))
    assert "pages.normalise" in caught.value.remedy


def test_production_is_looked_at_twice_some_time_apart_before_a_page_differs(
    walked, run, plan, web, source, target, monkeypatch
):
    walked()
    slept, told = [], []
    monkeypatch.setattr(replay.time, "sleep", slept.append)
    patient = plan.model_copy(update={"pages": plan.pages.model_copy(update={"apart": 600})})
    assert red(compared(run, patient, web), run) == {}
    assert max(slept, default=0) < 60, "nothing differs: nobody waits"
    target.pages["/employees"] = (200, "<h1>Staff</h1>\n<td>Anna</td>", {"X-Frame-Options": "DENY"})
    moments = iter([now(), now() + timedelta(hours=1)])
    monkeypatch.setattr(replay, "now", lambda: next(moments))
    asked = len(source.asked)
    found = replay.compare(web, TARGET, PRODUCTION, run.records(PagesReplayed), patient, told.append)
    assert "/employees: body: line 1" in red(found, run)["sampled"]
    assert 500 < max(slept) <= 600
    assert [line for line in told if "2 pages differ" in line]
    assert [path for _, path, *_ in source.asked[asked:] if path == "/employees"] == ["/employees"] * 4


def test_the_second_look_at_production_waits_for_time_to_pass(walked, run, plan, web, source, monkeypatch):
    slept = []
    monkeypatch.setattr(sampling.time, "sleep", slept.append)
    walked()
    sampling.ask_again(plan.model_copy(update={"pages": plan.pages.model_copy(update={"apart": 600})}), run, web)
    assert 500 < max(slept) <= 600


def test_a_log_without_an_allowed_page_could_not_verify(walked, run, plan, web):
    walked(text="5 0 5 0\n")
    with pytest.raises(CouldNotVerify, match="5 of no known format"):
        check_pages.check_log_was_sampled(Path("/log"), run.records(PagesSampled))
    with pytest.raises(CouldNotVerify, match="none was requested"):
        check_pages.check_sampled_pages_match(Path("/log"), run, compared(run, plan, web))
    with pytest.raises(CouldNotVerify, match="awk"):
        walked(text="")


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
        check_pages.check_static_files_match(run, compared(run, plan, web))
