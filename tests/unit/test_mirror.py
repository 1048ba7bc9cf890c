"""tests/unit mirrors the tree path by path: tests/unit/fixtures/policy/test_window.py tests fixtures/policy/window.py."""

from pathlib import Path

import pytest

from tests.unit.example import ROOT

EXCEPTIONS = {
    "checks/test_recorded.py": "it runs every check that was recorded",
    "docs/test_own_checks.py": "it is about the ready checks in docs/own_checks, and the page that shows how one is written",
    "fixtures/facts/test_recorded.py": "it runs every recorded answer, whichever module reads it",
    "test_imports.py": "its rules are about what the folders may import of each other",
    "test_known_once.py": "its rule is about what checks may write down anew",
    "test_live_checks.py": "its rule is about which checks may ask in their bodies",
    "test_mirror.py": "its rule is about the unit tests themselves",
    "test_silence.py": "it is about every kind of wait, whichever module waits",
    "test_remedies.py": "it compares the messages of the whole program with the tests that tried them",
    "test_rows.py": "it compares docs/rows.md, the table of the article's rows, with steps, checks and tests",
}
"""Unit tests that belong to no single module, each with the reason."""


def without_module(root: Path) -> list[str]:
    """What is wrong with each unit test file below *root* that has no module of its path."""
    wrong = []
    for file in sorted((root / "tests" / "unit").rglob("test_*.py")):
        place = file.relative_to(root / "tests" / "unit")
        module = place.with_name(place.name.removeprefix("test_"))
        package = module.with_suffix("") / "__init__.py"
        if place.as_posix() not in EXCEPTIONS and not any((root / one).is_file() for one in (module, package)):
            wrong.append(f"tests/unit/{place} has no module: there is neither {module} nor {package}")
    return wrong


def test_every_unit_test_has_the_module_of_its_path():
    assert without_module(ROOT) == []


def test_every_exception_is_there():
    assert [name for name in EXCEPTIONS if not (ROOT / "tests" / "unit" / name).is_file()] == []


@pytest.fixture
def tree(tmp_path):
    """A made-up checkout: a function that writes an empty file into it, and its root."""

    def write(path):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    write("fixtures/policy/window.py")
    write("fixtures/plan/__init__.py")
    write("tests/unit/fixtures/policy/test_window.py")
    write("tests/unit/fixtures/test_plan.py")
    write("tests/unit/fixtures/helpers.py")
    write("tests/unit/test_rows.py")
    return write, tmp_path


def test_modules_packages_helpers_and_exceptions_are_fine(tree):
    assert without_module(tree[1]) == []


@pytest.mark.parametrize(
    ("place", "module"),
    [
        ("fixtures/test_window.py", "fixtures/window"),
        ("fixtures/policy/test_clock.py", "fixtures/policy/clock"),
        ("fixtures/plan/test_plan.py", "fixtures/plan/plan"),
        ("fixtures/test_rows.py", "fixtures/rows"),
        ("test_everything.py", "everything"),
    ],
)
def test_a_test_file_without_a_module_is_named_with_the_paths_looked_for(tree, place, module):
    write, root = tree
    write(f"tests/unit/{place}")
    assert without_module(root) == [
        f"tests/unit/{place} has no module: there is neither {module}.py nor {module}/__init__.py"
    ]


def test_a_module_that_moves_leaves_its_test_behind(tree):
    write, root = tree
    (root / "fixtures/policy/window.py").unlink()
    write("fixtures/window.py")
    (wrong,) = without_module(root)
    assert "tests/unit/fixtures/policy/test_window.py" in wrong
