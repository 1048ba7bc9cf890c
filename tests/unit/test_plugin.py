"""Plain pytest over checks/ ends with 0 only when every check of whole states ran and passed or was waived."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

GOOD = '''
"""Two states, three checks."""
import pytest

@pytest.mark.ruby_installed
def check_version():
    """Ruby is new enough."""

@pytest.mark.ruby_installed
def check_path():
    """Ruby is on the PATH."""

@pytest.mark.gems_installed
def check_gem():
    """The gem loads."""
'''


@pytest.fixture
def suite(tmp_path):
    """A copy of gonogo's plumbing with three checks of its own."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures", ignore=shutil.ignore_patterns("lab", "__pycache__"))
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "docs" / "plan.example.toml", tmp_path / "plan.toml")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "check_ruby.py").write_text(GOOD)
    return tmp_path


def run(suite, *arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GONOGO"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *(arguments or ("checks/",))],
        cwd=suite, env=clean | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_whole_state_that_passes_is_go(suite):
    code, out = run(suite, "checks/", "-m", "ruby_installed")
    assert code == 0, out
    assert "ruby_installed: go" in out


def test_two_whole_states_are_go(suite):
    code, out = run(suite, "checks/", "-m", "ruby_installed or gems_installed")
    assert (code, "gems_installed: go" in out) == (0, True), out


def test_workers_of_xdist_agree(suite):
    code, out = run(suite, "checks/", "-m", "ruby_installed", "-n", "2")
    assert code == 0, out
    assert "ruby_installed: go" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("checks/",),
        ("checks/", "-m", "ruby_installed", "-k", "version"),
        ("checks/", "-m", "ruby_installed", "-k", "no_such_name"),
        ("checks/", "-m", "ruby_installed", "--deselect", "checks/check_ruby.py::check_path"),
        ("checks/", "-m", "ruby_installed", "--collect-only"),
        ("checks/", "-m", "ruby_installed and gems_installed"),
        ("checks/", "-m", "not gems_installed"),
        ("checks/check_ruby.py::check_version", "-m", "ruby_installed"),
        ("checks/", "-m", "ruby_installed", "--ignore", "checks/check_ruby.py"),
        ("checks/", "-m", "ruby_installed", "--setup-only"),
        ("checks/", "-m", "ruby_installed", "--setup-plan"),
        ("checks/", "-m", "data_copied"),
        ("checks/", "-m", "ruby_instaled"),
        ("checks/", "-m", "ruby_installed", "-n", "2", "-k", "version"),
        ("checks/", "-m", "pre_cutover"),
    ],
    ids=" ".join,
)
def test_anything_less_is_no_verdict(suite, arguments):
    code, out = run(suite, *arguments)
    assert code != 0, out
    assert not re.search(r": (go|waived)\b.*=$", out, re.MULTILINE), out


@pytest.mark.parametrize("options", ["--collect-only", "-k version", "-k nothing", "--deselect=checks", "--co -q"])
def test_the_environment_cannot_narrow_a_state(suite, options):
    code, out = run(suite, "checks/", "-m", "ruby_installed", PYTEST_ADDOPTS=options)
    assert code != 0, out


def test_one_file_of_several_is_narrowed(suite):
    (suite / "checks" / "check_more.py").write_text(GOOD)
    code, out = run(suite, "checks/check_ruby.py", "-m", "ruby_installed")
    assert (code, "only a part of checks/" in out) == (1, True), out
    code, out = run(suite, "checks/", "-m", "ruby_installed", "--ignore", "checks/check_more.py")
    assert (code, "only a part of checks/" in out) == (1, True), out


@pytest.mark.parametrize(
    "body",
    ["pytest.skip('later')", "pytest.xfail('known')", "pytest.importorskip('no_such_module')"],
)
def test_a_skipped_check_is_never_go(suite, body):
    (suite / "checks" / "check_ruby.py").write_text(GOOD + f"    {body}\n")
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert code == 1, out
    assert "gems_installed: could-not-verify" in out


def test_an_xpass_is_never_go(suite):
    (suite / "checks" / "check_ruby.py").write_text(
        GOOD.replace("@pytest.mark.gems", "@pytest.mark.xfail\n@pytest.mark.gems")
    )
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert code == 1, out


def test_a_failure_stands_alone_in_junit(suite):
    body = """    from fixtures.errors import NoGo
    raise NoGo("TTL", expected="<= 300", found=3600, remedy="lower it")
"""
    (suite / "checks" / "check_ruby.py").write_text(GOOD + body)
    code, out = run(suite, "checks/", "-m", "gems_installed", "--junitxml=out.xml")
    assert (code, "gems_installed: no-go" in out) == (1, True), out
    xml = (suite / "out.xml").read_text()
    assert "<failure" in xml
    assert "found:    3600" in xml
    assert "do:       lower it" in xml
    assert 'name="verdict" value="no-go"' in xml


def test_could_not_verify_is_an_error_in_junit(suite):
    body = """    from fixtures.errors import CouldNotVerify
    raise CouldNotVerify("the host", expected="an answer", found="none", remedy="look at it")
"""
    (suite / "checks" / "check_ruby.py").write_text(GOOD + body)
    code, out = run(suite, "checks/", "-m", "gems_installed", "--junitxml=out.xml")
    assert (code, "gems_installed: could-not-verify" in out) == (1, True), out
    assert "<error" in (suite / "out.xml").read_text()
    assert "Traceback" not in out


def test_a_bug_in_a_check_is_not_a_no_go(suite):
    (suite / "checks" / "check_ruby.py").write_text(GOOD + "    {}['x']\n")
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert (code, "gems_installed: could-not-verify" in out) == (1, True), out


def test_a_file_of_which_the_plan_asks_nothing_is_not_left_out(suite):
    text = f"import pytest\n{GOOD}\n@pytest.mark.ruby_installed\ndef check_worker(worker_unit):\n    pass\n"
    (suite / "checks" / "check_workers.py").write_text(text.replace(GOOD, ""))
    plan = suite / "plan.toml"
    plan.write_text(plan.read_text().replace('workers = ["smallpayroll-worker.service"]', "workers = []"))
    assert run(suite, "checks/", "-m", "ruby_installed")[0] == 0


def test_a_check_without_state_is_an_error(suite):
    (suite / "checks" / "check_ruby.py").write_text(GOOD + "\ndef check_stray():\n    pass\n")
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert code == 4, out
    assert "claims no state" in out


WAIVER = """
[[waiver]]
check = "{check}"
reason = "the vendor answers on Monday"
who = "Ada"
until = {until}
"""


def test_a_waived_failure_lets_pass_and_says_so(suite):
    (suite / "checks" / "check_ruby.py").write_text(GOOD + "    assert False, 'broken'\n")
    (suite / "plan.waivers.toml").write_text(WAIVER.format(check="checks/check_ruby.py::check_gem", until="2099-01-01"))
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert (code, "gems_installed: waived" in out) == (0, True), out
    assert "Ada" in out


@pytest.mark.parametrize(
    ("check", "until"),
    [("checks/check_ruby.py::check_gem", "2001-01-01"), ("checks/check_ruby.py::check_gone", "2099-01-01")],
)
def test_an_expired_or_unknown_waiver_is_an_error(suite, check, until):
    (suite / "plan.waivers.toml").write_text(WAIVER.format(check=check, until=until))
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert code == 4, out
    assert "Traceback" not in out


def test_no_plan_is_one_clear_error(suite):
    (suite / "plan.toml").unlink()
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert (code, "--plan" in out, "Traceback" in out) == (4, True, False), out


def test_the_markers_are_the_glossary(suite):
    code, out = run(suite, "--markers")
    assert code == 0
    assert "@pytest.mark.data_on_mnt: PostgreSQL runs from the data mount" in out


def test_the_testinfra_fixture_points_at_ours(suite):
    (suite / "checks" / "check_ruby.py").write_text(GOOD.replace("def check_gem()", "def check_gem(host)"))
    code, out = run(suite, "checks/", "-m", "gems_installed")
    assert (code, "say source or target" in out) == (1, True), out
