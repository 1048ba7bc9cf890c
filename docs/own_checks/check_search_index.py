"""The search index was built on the target: a search finds as much as on production."""

import re

import pytest

from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import network
from fixtures.facts.network import PageAnswer
from fixtures.facts.wanted import on_web

# Yours: a search that anybody may do, and what its page says of the number of results.
SEARCH, RESULTS = "/search?q=payroll", re.compile(r"(\d+) results?")


def results(page: PageAnswer, host: str) -> int:
    """How many results a page of the search counts."""
    found = RESULTS.search(page.text)
    if page.status != 200 or not found:
        raise CouldNotVerify(
            f"{SEARCH} on {host}",
            expected=f"status 200, with {RESULTS.pattern}",
            found=f"status {page.status}" + ("" if found else ", without it"),
            remedy="correct SEARCH and RESULTS in the check",
        )
    return int(found[1])


@pytest.mark.application_running
def check_search_finds_as_much(
    before: PageAnswer = on_web(lambda plan: network.at_source(plan, SEARCH)),
    after: PageAnswer = on_web(lambda run: network.at_target(run, SEARCH)),
) -> None:
    """A search on the target finds what it finds on production."""
    expected, found = results(before, "production"), results(after, "the target")
    if not expected:
        raise CouldNotVerify(SEARCH, expected="results on production", found="none", remedy="search for another word")
    if found != expected:
        raise NoGo(f"results of {SEARCH}", expected=str(expected), found=str(found), remedy="build the index anew")
