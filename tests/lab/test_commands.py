"""Bad input on the command line, against a real lab: one clear error each, no traceback, nothing changed."""

import re
import subprocess

import pytest

from tests.labsite import Site


@pytest.fixture(scope="module")
def site():
    made = Site("errors")
    made.down()
    made.up(rehearsed=False)
    yield made
    made.down()


@pytest.fixture
def edited(site, tmp_path):
    """Make a plan of one's own beside the lab's, with one thing changed."""
    directory = site.plan_path.parent
    made = []

    def edit(*changes):
        text = re.sub(r'^name = "\S+"', 'name = "edited"', site.plan_path.read_text(), count=1, flags=re.MULTILINE)
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
            assert count, pattern
        path = directory / "edited.toml"
        path.write_text(text)
        made.append(path)
        return path

    yield edit
    for path in made:
        path.unlink(missing_ok=True)


KEY = r'^host_key = "ssh-ed25519 \S+"'
OTHER_KEY = 'host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm0SMfqI3Y8tWbJ7mO7Yy9yDk0rM3l4o5V9xW1QnE2t"'

WRONG = {
    "a wrong plan": ([(r"^ttl = 5", "ttl = 86400"), (r"^outage_minutes = 15", 'outage_minutes = "x"')], ["dns.ttl", "cutover.outage_minutes"], 2),
    "an absent host": ([(r'^address = "(198\.18\.\d+)\.10"', r'address = "\1.77"')], ["SSH", "198.18"], 14),
    "a closed port": ([(r'^user = "ops"', 'user = "ops"\nport = 2222')], ["2222"], 14),
    "a refused key": ([(r'^key_file = "keys/ops"', 'key_file = "keys/other"')], ["key"], 14),
    "a changed host key": ([(KEY, OTHER_KEY)], ["host key", "SHA256:"], 14),
    "another AWS account": ([(r'^account = "\d+"', 'account = "999999999999"')], ["999999999999"], 1),
    "source and target swapped": ([(r'^public_address = "\S+"', 'public_address = "198.18.0.99"')], ["198.18.0.99"], 1),
    "a wrong password": ([(r'/secrets/database"', '/secrets/wrong"')], ["payroll", "refused"], 1),
    "no upload directory": ([(r'^path = "/home/payroll/shared/uploads"', 'path = "/srv/none"')], ["/srv/none"], 1),
    "an empty upload directory": ([(r'^path = "/home/payroll/shared/uploads"', 'path = "/media"')], ["/media", "empty"], 1),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_error_before_anything_changes(site, edited, case):
    changes, words, code = WRONG[case]
    plan = edited(*changes)
    if case == "a refused key":
        other = plan.parent / "keys" / "other"
        other.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    (plan.parent / "secrets" / "wrong").write_text("not-the-password\n")
    done = site.gonogo("run", "--yes", "--new", "--until", "source_surveyed", plan=plan)
    assert "not-the-password" not in done.out
    assert done.code == code, done.out
    for word in (*words, "expected:", "found:", "do:"):
        assert word in done.out, done.out
    assert "Traceback" not in done.out
    names = site.on("production", "ls -d /var/lib/gonogo /run/gonogo* 2>/dev/null || true")
    assert names == ""


def test_a_lab_that_is_down_is_one_clear_error(site, edited):
    plan = edited((r'^endpoint = "\S+"', 'endpoint = "http://127.0.0.1:9"'))
    done = site.gonogo("run", "--yes", "--new", plan=plan)
    assert (done.code, "gonogo lab up" in done.out, "Traceback" in done.out) == (14, True, False), done.out


def test_questions_need_a_terminal(site):
    done = site.gonogo("back-out")
    assert done.code == 1, done.out
    assert "Traceback" not in done.out


def test_plan_and_status_touch_nothing(site):
    for command in ("plan", "status"):
        done = site.gonogo(command)
        assert done.code == 0, done.out


def test_an_unknown_state_is_named(site):
    done = site.gonogo("run", "--yes", "--until", "nonsense")
    assert (done.code, "nonsense" in done.out, "Traceback" in done.out) == (2, True, False), done.out
