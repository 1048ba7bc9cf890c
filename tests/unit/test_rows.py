"""docs/rows.md: every row of the article has a step, a check that was seen red, and a place in the demonstration.

That a check was red before its step is for `make prove-3` to see: it needs a demonstration.
"""

import ast
import re

import pytest

from fixtures.lab.faults import FAULTS
from fixtures.states import STATES
from steps import STEPS
from steps.cli.cli import app
from steps.cli.lab import lab
from tests.unit.example import ROOT

BEFORE = "before its step"
WANTED = [f"A{number}" for number in range(1, 31)]


def table():
    """Row -> its four cells."""
    lines = (ROOT / "docs" / "rows.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| A\d", line)]
    return {line[0].split()[0]: line[1:] for line in cells}


ROWS = table()


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def commands():
    named = [*app.registered_commands, *app.registered_groups]
    found = {c.name or (c.callback.__name__ if hasattr(c, "callback") and c.callback else "") for c in named}
    return found | {f"lab {c.name or c.callback.__name__}" for c in lab.registered_commands}


def test_every_row_of_the_article_is_there():
    assert list(ROWS) == WANTED


@pytest.mark.parametrize("row", WANTED)
def test_what_changes_it_exists(row):
    steps = {step.name for step in STEPS}
    words = quoted(ROWS[row][0])
    assert words
    for word in words:
        known = word.removeprefix("gonogo ") in commands() if word.startswith("gonogo ") else word in steps
        assert known, f"{row}: {word} is neither a step nor a command"


@pytest.mark.parametrize("row", WANTED)
def test_what_proves_it_exists(row):
    words = quoted(ROWS[row][1])
    assert words
    for word in words:
        file, _, function = word.partition("::")
        path = ROOT / "checks" / f"{file}.py"
        assert path.exists(), f"{row}: {word}"
        assert function in functions(path), f"{row}: {word}"


@pytest.mark.parametrize("row", WANTED)
def test_how_it_was_seen_red_exists(row):
    words = quoted(ROWS[row][2])
    assert words
    for word in words:
        if word.startswith("fault "):
            assert word.removeprefix("fault ") in FAULTS, f"{row}: {word}"
        elif word != BEFORE:
            file, _, function = word.partition("::")
            assert (ROOT / "tests" / file).exists(), f"{row}: {word}"
            assert function in functions(ROOT / "tests" / file), f"{row}: {word}"


@pytest.mark.parametrize("row", WANTED)
def test_where_it_shows_in_the_demonstration(row):
    given = {state for step in STEPS for state in step.gives} | {"backed_out"}
    words = quoted(ROWS[row][3])
    assert words
    assert set(words) <= {state.name for state in STATES} | {"backed_out"}
    assert set(words) <= given, f"{row}: no step gives {set(words) - given}"


@pytest.mark.parametrize("row", WANTED)
def test_the_operators_guide_has_its_paragraph(row):
    text = (ROOT / "docs" / "operators-guide.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{row}\b", text), f"docs/operators-guide.md does not name {row}"
