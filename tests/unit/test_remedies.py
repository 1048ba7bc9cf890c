"""Each message that names a command has a test in which that command mends what the message is about.

Those that nothing has tried yet are listed and counted, and so are those that no test can have tried.
"""

import ast
import re
import tomllib
from functools import cache

import pytest

from tests.unit.example import ROOT
from tests.unit.remedies import GROUPS, TABLE, full, listed, messages, named_in

NOT_TRIED = 61
"""How many messages nothing has tried, at most: the number only becomes smaller."""
ENDS_AN_INSTANCE = re.compile(r"\bterminate\b|\bstop (?:its|the|this) instance\b")


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_message_that_names_a_command_stands_in_the_table_once():
    rows = [message for group in GROUPS for message in listed(group)]
    assert sorted(rows) == sorted(messages()), "of each one, say in tests/unit/remedies.toml which test has tried it"


def test_what_has_tried_a_message_is_there():
    for row in tomllib.loads(TABLE.read_text())["tried"]:
        assert row["by"], row["messages"]
        for name in row["by"]:
            path, _, function = name.partition("::")
            assert function in functions(path), name


def test_what_cannot_be_tried_says_why():
    assert all(row["why"] for row in tomllib.loads(TABLE.read_text())["no_test"])


def test_fewer_and_fewer_messages_were_not_tried():
    assert len(listed("not_tried")) <= NOT_TRIED


def test_no_remedy_ends_an_instance():
    """Whatever is wrong with it, what lies on it would be gone."""
    remedies = [
        f"{path.relative_to(ROOT)}: {text}"
        for folder in ("checks", "steps", "fixtures/connect", "fixtures/facts", "fixtures/policy", "reports")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in named_in(path.read_text(), everything=True)
        if ENDS_AN_INSTANCE.search(text) and "terminate nothing" not in text
    ]
    assert not remedies


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise E("a", remedy=f"run `gonogo run --until {state}` again")', ["run `gonogo run --until {}` again"]),
        ('MEND = "see `systemctl status x`"\nraise E("a", remedy=MEND)', ["see `systemctl status x`"]),
        ('remedy = "run psql" if x else "look"', ["run psql"]),
        ('say("then: gonogo back-out")', ["then: gonogo back-out"]),
        ('"""Of `gonogo run`."""\nwith lock("gonogo run"): host.check(["systemctl", "stop it"])', []),
    ],
)
def test_a_message_is_found(source, found):
    assert named_in(source) == found


def test_two_messages_are_known_apart():
    known = [key for key, _ in set(full())]
    assert len(known) == len(set(known)), "raise LENGTH"
