"""Under production's name, at the target's address, the site works as production does. Nothing here writes."""

import json
from urllib.parse import SplitResult, urlsplit

import pytest

from checks.equality import must_equal
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import files, nginx
from fixtures.facts.fact import HostFact
from fixtures.facts.network import HEADERS_SEEN, Browsed, PageAnswer, at_target, browsed_at_target
from fixtures.facts.wanted import on_target, on_web
from fixtures.facts.watches import SecondPage, TokenFact, logged
from fixtures.plan import Plan
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run

pytestmark = [pytest.mark.rehearsed, pytest.mark.smoke_tested]

MADE_BY_THE_PACK = ("X-Request-Id", "X-Runtime")
"""Headers that the application puts on its answers, and nginx does not."""
GZIP = (("Accept-Encoding", "gzip"),)
HEADERS = "see proxy_set_header in the site's configuration on the target"


@pytest.fixture(scope="session")
def address(run: Run) -> str:
    """The target's own address: public DNS plays no part."""
    return _address(run)


def _address(run: Run) -> str:
    return run.records(TargetFacts).public_address


def check_login_works(plan: Plan, address: str, browsed: Browsed = on_web(browsed_at_target)) -> None:
    """A user can log in on the target."""
    if plan.smoke.signed_in_text not in browsed.landing.text:
        raise NoGo(
            f"logging in as {plan.smoke.user} at {address}",
            expected=f"a page with '{plan.smoke.signed_in_text}'",
            found=f"status {browsed.landing.status} and a page without it",
            remedy="see the application's log on the target; is the password in [smoke] right?",
        )


def check_page_can_be_browsed(
    page: str, plan: Plan, address: str, browsed: Browsed = on_web(browsed_at_target)
) -> None:
    """A user who is logged in can browse every page of the plan."""
    answer = browsed.page(page)
    inside = answer.status == 200 and not _led_to_login(page, answer.url, plan)
    if not inside:
        raise NoGo(
            f"{page} at {address}",
            expected="status 200",
            found=f"status {answer.status} at {answer.url}",
            remedy="see the application's log on the target",
        )


def _led_to_login(page: str, url: str, plan: Plan) -> bool:
    """Whether somebody who asked for a page was shown the login page in its place."""
    login = urlsplit(plan.smoke.login_page)

    def is_login(one: SplitResult) -> bool:
        return one.path == login.path and one.query.startswith(login.query)

    return is_login(urlsplit(url)) and not is_login(urlsplit(page))


def check_every_hostname_is_served(
    hostname: str,
    plan: Plan,
    run: Run,
    address: str,
    answer: PageAnswer = on_web(lambda run, plan, hostname: at_target(run, plan.health_page, host=hostname)),
) -> None:
    """The target answers for every name of the site, with production's status."""
    subject = f"the status of {hostname}{plan.health_page} at {address}"
    remedy = f"see server_name in {plan.web.site} on the target"
    must_equal(subject, expected=run.records(Survey).health[hostname], found=answer.status, remedy=remedy)


def check_static_file_is_served_by_nginx(
    static_path: str, address: str, answer: PageAnswer = on_web(lambda run, static_path: at_target(run, static_path))
) -> None:
    """Static files come from nginx itself, never from the pack."""
    remedy = "see root and try_files in the site's configuration on the target"
    _came_from_nginx(answer, f"{static_path} at {address}", remedy)


def _came_from_nginx(answer: PageAnswer, subject: str, remedy: str) -> None:
    by_pack = ", ".join(name for name in MADE_BY_THE_PACK if answer.header(name) is not None)
    if answer.status != 200 or by_pack:
        raise NoGo(
            subject,
            expected="status 200, without a header of the pack",
            found=f"status {answer.status}, {by_pack or 'no such header'}",
            remedy=remedy,
        )


def _file(plan: Plan, static_path: str) -> HostFact[files.Status | None]:
    return files.status(f"{plan.application.current}/public{static_path}")


def check_static_file_equals_the_release(
    static_path: str,
    address: str,
    plain: files.Status | None = on_target(_file),
    ready: files.Status | None = on_target(lambda plan, static_path: _file(plan, f"{static_path}.gz")),
    answer: PageAnswer = on_web(lambda run, static_path: at_target(run, static_path, headers=GZIP)),
) -> None:
    """A static file arrives as the release holds it, compressed beforehand where a .gz lies beside it."""
    status = ready or plain
    expected = ("gzip" if ready else "", str(status.bytes) if status else "a file of the release")
    found = (answer.header("Content-Encoding") or "", answer.header("Content-Length") or "none")
    must_equal(
        f"{static_path} at {address}, asked with Accept-Encoding: gzip (encoding, length)",
        expected=expected,
        found=found,
        remedy="switch gzip_static on in the site's configuration on the target",
    )


def check_cached_page_is_served_by_nginx(
    cached_page: str,
    address: str,
    answer: PageAnswer = on_web(lambda run, cached_page: SecondPage(cached_page, _address(run))),
) -> None:
    """A page-cached action is served by nginx from its .html file."""
    remedy = "see try_files ($uri.html) in the site's configuration, and that the pack may write its page cache"
    _came_from_nginx(answer, f"{cached_page} at {address}", remedy)


def check_headers_reach_the_pack(
    plan: Plan,
    address: str,
    browsed: Browsed = on_web(browsed_at_target),
    tree: nginx.Directive | None = on_target(nginx.CONFIGURATION),
) -> None:
    """The pack sees the host name of the request, and the user's own address."""
    own, hostname = str(plan.operator.address), plan.web.hostnames[0]
    answer = browsed.json_answer()
    if answer is None:
        names = ("Host", "X-Real-IP", "X-Forwarded-For")
        server = nginx.server_of(tree, hostname) if tree else None
        passed_on = {one.args[0] for one in server.deep("proxy_set_header") if one.args} if server else set()
        passed_on |= (
            {one.args[0] for block in tree.all("http") for one in block.all("proxy_set_header")} if tree else set()
        )
        missing = [name for name in names if name not in passed_on]
        if missing:
            raise NoGo(
                "headers that nginx on the target passes on",
                expected=", ".join(names),
                found=f"without {', '.join(missing)}",
                remedy=HEADERS,
            )
        return
    seen = json.loads(answer.text) if "json" in (answer.header("Content-Type") or "") else {}
    expected = dict(zip(HEADERS_SEEN, (hostname, own, own), strict=True))
    found = {name: seen.get(name) for name in expected}
    must_equal(
        f"Host, X-Real-IP and X-Forwarded-For as the pack at {address} sees them",
        expected=expected,
        found=found,
        remedy=HEADERS,
    )


def check_unknown_page_is_404(
    address: str,
    answer: PageAnswer = on_web(lambda run: at_target(run, "/gonogo-there-is-no-such-page")),
    own: str = on_target(lambda plan: files.text(f"{plan.application.current}/public/404.html")),
) -> None:
    """A page that does not exist gives 404 and the application's own page for it."""
    if not own.strip():
        raise CouldNotVerify(
            "public/404.html of the release on the target",
            expected="the application's page for what does not exist",
            found="no such file, or an empty one",
            remedy="copy the release again, or waive this check where the application has no such page",
        )
    found = (answer.status, "the 404 page" if answer.text.strip() == own.strip() else "another page")
    must_equal(
        f"a page that does not exist, at {address}",
        expected=(404, "the 404 page"),
        found=found,
        remedy="see error_page in the site's configuration on the target, and public/404.html of the release",
    )


def check_login_is_asked_for(
    first_page: str, plan: Plan, address: str, browsed: Browsed = on_web(browsed_at_target)
) -> None:
    """A page behind the login is shown to nobody who is not logged in."""
    answer = browsed.shown_to_a_stranger()  # after a user was there: a cache may have kept what that one saw
    if answer and plan.smoke.signed_in_text in answer.text:
        raise NoGo(
            f"{first_page} at {address}, not logged in",
            expected="the login page",
            found="the page itself",
            remedy="see the application's log on the target",
        )


def check_access_log_grows(
    plan: Plan,
    token: str = on_web(lambda run: TokenFact(_address(run), "check_access_log_grows")),
    seen: bool = on_target(lambda plan, token: logged(str(plan.web.access_log), token)),
) -> None:
    """Every request is written to the access log."""
    if not seen:
        raise NoGo(
            f"{plan.web.access_log} on the target",
            expected="a line for the request just made",
            found="none within 5 seconds",
            remedy="see access_log in the site's configuration on the target",
        )
