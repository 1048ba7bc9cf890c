"""Pages that users ask for are shown by the target as production shows them."""

from pathlib import PurePosixPath

import pytest

from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import accesslog
from fixtures.facts.wanted import on_web
from fixtures.plan import Plan
from fixtures.run.records import PagesReplayed, PagesSampled, ReplayedPage, TargetFacts
from fixtures.run.run import Run
from fixtures.sameness import pages, replay
from fixtures.sameness.replay import ComparedFact, ReplayResult

AGAIN = "rehearse again: `gonogo rehearse`"
SEE = "see the page on both hosts; what may differ (a date, a number of its own) is declared in pages.normalise"
MOST_LISTED = 4


@pytest.fixture(scope="session")
def sampled(run: Run) -> PagesSampled:
    """The pages as production showed them before it was copied."""
    return run.records(PagesSampled)


def compared(run: Run, plan: Plan) -> ComparedFact:
    """The stable pages, as the target shows them now."""
    target, production = run.records(TargetFacts).public_address, str(plan.source.public_address)
    return ComparedFact(target, production, of_the_latest_sample(run), plan)


COMPARED = on_web(compared)


def of_the_latest_sample(run: Run) -> PagesReplayed:
    """The pages that production showed twice; raises `CouldNotVerify` where it was sampled anew since."""
    replayed, sampled = run.records(PagesReplayed), run.records(PagesSampled)
    if replayed.sampled != sampled.recorded:
        raise CouldNotVerify(
            "the pages that production showed after the copy",
            expected=f"those of the sample of {sampled.recorded:%Y-%m-%d %H:%M:%S} UTC",
            found=f"those of the sample of {replayed.sampled:%Y-%m-%d %H:%M:%S} UTC",
            remedy=AGAIN,
        )
    return replayed


@pytest.mark.pages_sampled
def check_only_allowed_pages_are_asked(plan: Plan, sampled: PagesSampled) -> None:
    """Only pages that the plan names or allows were requested from production."""
    own = {*plan.web.static, *plan.web.cached, *plan.web.pages, replay.ABSENT}
    other = [page.url for page in sampled.pages if page.url not in own and not accesslog.allowed(page.url, plan.pages)]
    if other:
        raise NoGo(
            "pages requested from production",
            expected="those of pages.allow and [web]",
            found=_listed(other),
            remedy=AGAIN,
        )


@pytest.mark.pages_sampled
def check_every_page_was_recorded(plan: Plan, sampled: PagesSampled) -> None:
    """Every page of the plan was recorded as production showed it before the copy."""
    seen = {page.url for page in sampled.pages if page.print is not None}
    missing = sorted({*plan.web.static, *plan.web.cached, *plan.web.pages, replay.ABSENT} - seen)
    if missing:
        raise NoGo("pages recorded", expected="all of [web]", found=f"missing: {_listed(missing)}", remedy=AGAIN)


@pytest.mark.pages_sampled
def check_log_was_sampled(sampled_log: PurePosixPath, sampled: PagesSampled) -> None:
    """The sample holds pages that users really ask for, taken from production's access log."""
    if not any(page.times for page in sampled.pages):
        raise CouldNotVerify(
            f"{sampled_log} on production",
            expected="requests whose paths pages.allow matches",
            found=f"none among {sampled.lines} lines ({sampled.malformed} of no known format, {sampled.own} our own, "
            f"{sampled.other_methods} neither GET nor HEAD)",
            remedy="correct web.access_log or pages.allow in the plan (or empty it), then run again",
        )


@pytest.mark.rehearsed
def check_sampled_pages_match(sampled_log: PurePosixPath, run: Run, shown: ReplayResult = COMPARED) -> None:
    """Pages that users ask for are shown to a visitor as production shows them, word for word."""
    _match("sampled", shown, run, SEE)


@pytest.mark.rehearsed
def check_signed_in_pages_match(run: Run, shown: ReplayResult = COMPARED) -> None:
    """Pages behind the login are shown as production shows them, word for word."""
    _match("signed in", shown, run, SEE)


@pytest.mark.rehearsed
def check_static_files_match(run: Run, shown: ReplayResult = COMPARED) -> None:
    """Static files and cached pages are shown as production shows them, byte for byte."""
    _match("static", shown, run, "see public/ of the release on the target, and what was cached there")


@pytest.mark.rehearsed
def check_error_page_matches(run: Run, shown: ReplayResult = COMPARED) -> None:
    """A page that does not exist is answered as production answers it."""
    _match("error", shown, run, "see error_page in the site's configuration on the target")


@pytest.mark.rehearsed
def check_headers_match(run: Run, shown: ReplayResult = COMPARED) -> None:
    """Every page carries the headers that production sends with it: type, caching, protection."""
    found = [f"{_name(one.page)}: {one.headers}" for one in shown.differing if one.headers]
    if found:
        raise NoGo(
            "headers on the target",
            expected=f"those of production; on {len(shown.equal)} pages they are",
            found=_listed(found),
            remedy="see the site's configuration on the target; a header that may differ is left out of pages.headers",
        )
    resting = [*shown.equal, *shown.moving, *(one.page for one in shown.differing)]
    _some_are_equal(resting, "headers", shown, run)


def _match(kind: str, compared: ReplayResult, run: Run, remedy: str) -> None:
    differing = [one for one in compared.differing if one.page.kind == kind]
    found = [f"{_name(one.page)}: {one.body}" for one in differing if one.body]
    # A page whose headers alone differ is equal as a page.
    equal = [page for page in compared.equal if page.kind == kind] + [one.page for one in differing if not one.body]
    if found:
        raise NoGo(
            f"pages on the target ({kind})",
            expected=f"as on production; {len(equal)} are",
            found=_listed(found),
            remedy=remedy,
        )
    _some_are_equal(equal, f"pages ({kind})", compared, run, kind)
    cut = [_name(page) for page in equal if page.print and page.print.longer]
    if cut:
        raise CouldNotVerify(
            f"pages on the target ({kind})",
            expected=f"bodies of at most {pages.LONGEST} bytes, compared to their end",
            found=f"equal as far as they were read, and longer: {_listed(cut)}",
            remedy="leave them out of pages.allow and [web] in the plan, and compare them by hand",
        )


def _some_are_equal(equal: list[ReplayedPage], what: str, compared: ReplayResult, run: Run, kind: str = "") -> None:
    """Nothing is proven where no page was equal. Raises `CouldNotVerify` then.

    Pages that production never showed twice alike are a limit that the sign-off names, and no reason to wait: they never will.
    """
    moving = [page for page in run.records(PagesReplayed).changed if kind in ("", page.kind)]
    changed = [page for page in compared.changed if kind in ("", page.kind) and page not in moving]
    if equal or (moving and not changed):
        return
    raise CouldNotVerify(
        f"{what} on the target",
        expected="at least one that production itself left unchanged since it was copied",
        found=f"it changed {_listed([_name(page) for page in [*changed, *moving]]) or 'none: none was requested'}",
        remedy="declare in pages.normalise what is new every time, or allow pages that do not change, then rehearse again: `gonogo rehearse`",
    )


def _name(page: ReplayedPage) -> str:
    return page.url if page.method == "GET" else f"{page.method} {page.url}"


def _listed(found: list[str]) -> str:
    words = list(dict.fromkeys(found))  # a page that visitors and users are shown alike is named once
    return "; ".join(words[:MOST_LISTED]) + (
        f"; and {len(words) - MOST_LISTED} more" if len(words) > MOST_LISTED else ""
    )
