"""Checks name their facts. What asks hosts, databases, names or pages in a check's body is here by name, with the reason.

Nobody can judge such a check again from a gate's readings, nor try it without something that answers: decision 14.
"""

import ast

import pytest

from fixtures.connect.connections import HANDED_OUT
from tests.unit.example import ROOT

POLLS = "it asks until resolvers or users have moved"
HASHES = "it reads manifests of files, which are streamed and no single answer"
LIVE = {
    "check_resolver_names_the_target": POLLS,
    "check_login_works_through_public_dns": POLLS,
    "check_users_reach_the_target": POLLS,
    "check_uploads_equal_closed_production": HASHES,
    "check_rows_match": "its facts say whether rows differ; only then it looks for which ones",
}
"""Checks that ask in their bodies."""
ASKS = {*HANDED_OUT, "connections", "request"} - {"plan", "run"}
"""What fixtures hand out that can ask somebody, `request` because it hands out everything."""


def functions(text):
    """Function of a module -> what it is handed: its parameters without a default, which are not facts."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            given, named = node.args, [*node.args.posonlyargs, *node.args.args]
            bare = named[: len(named) - len(given.defaults)]
            bare += [arg for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
            found[node.name] = {arg.arg for arg in bare}
    return found


def asking(text, shared=""):
    """The checks of a module that are handed something to ask with, by themselves or by a fixture of ours."""
    known = functions(shared) | functions(text)

    def asks(name):
        return name in ASKS or any(map(asks, known.get(name, ())))

    return {name for name in functions(text) if name.startswith("check_") and asks(name)}


def checks():
    shared = (ROOT / "checks" / "conftest.py").read_text()
    texts = [path.read_text() for path in sorted((ROOT / "checks").glob("check_*.py"))]
    live = {name for text in texts for name in asking(text, shared)}
    return live, {name for text in texts for name in functions(text) if name.startswith("check_")}


def test_no_other_check_asks_in_its_body():
    live, _ = checks()
    assert live == set(LIVE), "name facts as defaults of the check's parameters: docs/writing-a-check.md"


def test_they_are_few():
    live, every = checks()
    assert len(live) <= 0.05 * len(every)


@pytest.mark.parametrize(
    "text",
    [
        "def check_a(run, target): ...",
        "def check_a(connections, found=on_target(FACT)): ...",
        "def check_a(request): ...",
        "def check_a(*, found=on_target(FACT), target): ...",
        "def seen(web): ...\ndef check_a(seen): ...",
        "def seen(web): ...\ndef judged(run, seen): ...\ndef check_a(judged): ...",
        "def check_a(shared): ...",
    ],
)
def test_a_check_that_asks_is_found(text):
    assert asking(text, "def shared(source_db): ...") == {"check_a"}


@pytest.mark.parametrize("text", ["def check_a(plan, run, found=on_target(FACT)): ...", "def helper(target): ..."])
def test_a_check_that_names_its_facts_is_not(text):
    assert asking(text) == set()
