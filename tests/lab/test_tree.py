"""How tests run inside a lab's process tree, seen from pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
FIXTURE = """
import pytest
@pytest.fixture(scope="module")
def held():
    yield
    ENDING
def test_outside(held): pass
"""
INSIDE = """
def test_inside(lab_tree): pass
"""


@pytest.mark.parametrize(
    "modules", [{"lab/test_one.py": FIXTURE, "lab/test_two.py": INSIDE}, {"lab/test_one.py": FIXTURE + INSIDE}]
)
@pytest.mark.parametrize(("ending", "outcome"), [("pass", "3 passed"), ("raise OSError", "3 passed, 1 error")])
def test_what_a_test_outside_set_up_is_taken_down_after_one_inside(tmp_path: Path, modules, ending, outcome):
    """Else the next test of another folder is refused: "previous item was not torn down properly"."""
    files = {"pytest.ini": "", "lab/conftest.py": CONFTEST.read_text(), "other/test_three.py": "def test_three(): pass"}
    for name, text in (files | modules).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("ENDING", ending))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "lab", "other"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert f"{outcome} in " in ended.stdout, ended.stdout + ended.stderr
