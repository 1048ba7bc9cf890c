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


def run(directory: Path, files: dict[str, str]) -> str:
    """What pytest says of such a suite."""
    for name, text in ({"pytest.ini": "", "lab/conftest.py": CONFTEST.read_text()} | files).items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    folders = sorted({name.split("/")[0] for name in files})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *folders]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "modules", [{"lab/test_one.py": FIXTURE, "lab/test_two.py": INSIDE}, {"lab/test_one.py": FIXTURE + INSIDE}]
)
@pytest.mark.parametrize(("ending", "outcome"), [("pass", "3 passed"), ("raise OSError", "3 passed, 1 error")])
def test_what_a_test_outside_set_up_is_taken_down_after_one_inside(tmp_path: Path, modules, ending, outcome):
    """Else the next test of another folder is refused: "previous item was not torn down properly"."""
    files = {name: text.replace("ENDING", ending) for name, text in modules.items()}
    assert f"{outcome} in " in run(tmp_path, files | {"other/test_three.py": "def test_three(): pass"})


def test_tests_that_do_not_end_are_said_to_fail_and_others_go_on(tmp_path: Path):
    short = CONFTEST.read_text().replace("LIMIT = 1800", "LIMIT = 5")
    hangs = "import time\ndef test_hangs(lab_tree): time.sleep(60)\n"
    output = run(
        tmp_path, {"lab/conftest.py": short, "lab/test_one.py": hangs, "other/test_two.py": "def test_two(): pass"}
    )
    assert "the child was ended after 5 s, this test had not" in output
    assert "1 failed, 1 passed in " in output
