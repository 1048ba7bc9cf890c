"""One rule a folder, and nothing outside the checkout."""

import ast
import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.unit.example import ROOT

FOLDERS = ("checks", "fixtures", "reports", "steps")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def modules(folder):
    return list((ROOT / folder).rglob("*.py"))


def breaches(folder, forbidden, allowed=()):
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        if path.relative_to(ROOT).as_posix() not in allowed
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def test_fixtures_know_neither_steps_nor_checks():
    assert not breaches("fixtures", {"steps", "checks", "reports", "tests"})


def test_only_the_plugin_imports_pytest():
    assert not breaches(
        "fixtures",
        {"pytest", "_pytest"},
        allowed=[path.relative_to(ROOT).as_posix() for path in modules("fixtures/plugin")],
    )


def test_steps_never_import_pytest_checks_or_reports():
    assert not breaches("steps", {"pytest", "checks", "reports", "tests"})


def test_checks_import_pytest_and_fixtures_only():
    assert not breaches("checks", {"steps", "reports", "tests"})


def test_reports_import_the_evidence_schema_only():
    assert not breaches("reports", {"steps", "checks", "tests", "pytest"})
    found = {name for path in modules("reports") for name in imports(path) if name.startswith("fixtures")}
    assert {name for name in found if not name.startswith("fixtures.run")} <= {"fixtures.errors"}
    assert "fixtures.run.run" not in found


def test_nothing_but_the_lab_command_knows_the_lab():
    found = [
        b
        for f in ("steps", "checks", "reports")
        for p in modules(f)
        for b in imports(p)
        if b.startswith("fixtures.lab")
    ]
    users = {
        p.name
        for f in ("steps", "checks", "reports")
        for p in modules(f)
        if any(b.startswith("fixtures.lab") for b in imports(p))
    }
    assert not found or users == {"lab.py", "lab_drill.py"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_resolves_inside_the_checkout(folder):
    spec = importlib.util.find_spec(folder)
    places = [Path(p).resolve() for p in spec.submodule_search_locations]
    assert places == [ROOT / folder]


def test_nothing_was_published_to_site_packages():
    site = Path(sysconfig.get_path("purelib"))
    assert not [folder for folder in FOLDERS if (site / folder).exists()]


def test_reports_import_nothing_but_the_evidence() -> None:
    code = (
        "import sys, reports.__main__;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('fixtures', 'steps', 'checks', 'pytest')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = ["fixtures", "fixtures.errors", "fixtures.redaction", "fixtures.run"]
    assert done.stdout.strip() == str(
        [*rooms, *(f"fixtures.run.{name}" for name in ("evidence", "journal", "records"))]
    )
