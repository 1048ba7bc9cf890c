"""The run's directory is lost or damaged while production is closed: it is opened again by what lies there, as it was."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.plan import load_plan
from fixtures.run.run import Run, runs_of
from steps.cli import exits
from tests.labsite import REHEARSED, ROOT, Site

AS_IT_WAS = r"""
cd /
sql() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 payroll_prod -c "$1"; }
sql "SELECT * FROM pg_authid ORDER BY rolname"
sql "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members ORDER BY 1, 2"
sql "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2"
sql "SELECT subname, subenabled FROM pg_subscription ORDER BY 1"
sql "SELECT rule.* FROM pg_hba_file_rules rule ORDER BY line_number"
rules=$(sql "SHOW hba_file")
# nginx, pg_hba.conf, units with what enables them, crontabs: whatever is configured, with owners and modes.
find /etc "$rules" /var/spool/cron \( -type f -o -type l \) ! -name '.*.gonogo-backup' -printf '%m %u %g %p\n' | sort -u
find /etc "$rules" /var/spool/cron -type f ! -name '.*.gonogo-backup' -exec sha256sum {} + | sort -u
systemctl list-units --all --plain --no-legend 'smallpayroll*' 'cron*' 'nginx*' 'postgresql*' '*.timer' | awk '{print $1, $3}' | sort
systemctl list-unit-files --no-legend | grep -v gonogo | sort
nginx -T 2>/dev/null | sha256sum
"""
"""Prints what closing may change on production. What gonogo keeps there for a back-out is its own."""

HEALTH = "curl -sk --connect-to ::127.0.0.1: https://app.smallpayroll.test/healthz"


def aside(run: Path, why: str) -> None:
    """Move a run's directory away; each rehearsed lab begins with a run of the same name."""
    run.rename(run.with_name(f"{run.name}-{why}-{time.time_ns()}"))


def deleted(run: Path) -> None:
    shutil.rmtree(run)


def emptied(run: Path) -> None:
    deleted(run)
    run.mkdir()


def one_byte_of(pattern: str, word: bytes = b"") -> Callable[[Path], None]:
    """Changes one bit of the file, in the line that holds the word: what comes of it is text still, and JSON perhaps."""

    def change(run: Path) -> None:
        (path,) = run.glob(pattern)
        content = bytearray(path.read_bytes())
        content[content.index(word) + len(word) // 2] ^= 1
        path.write_bytes(content)

    return change


POINTS = {
    "source_closed": deleted,
    "final_data_copied": emptied,
    "smoke_tested": one_byte_of("journal.jsonl", b'"source_closed"'),
    "target_open": one_byte_of("records/source_closure.json", b'"logins"'),
    "dns_changed": one_byte_of("records/survey.json", b'"machine_id"'),
}
"""The last state that was reached -> what then befalls the run's directory."""
OPENED = ("target_open", "dns_changed")


@pytest.fixture
def site():
    made = Site(REHEARSED)
    made.down()
    made.up(rehearsed=True)
    *earlier, _ = runs_of(load_plan(made.plan_path), ROOT / "runs")
    for run in earlier:  # where this one is gone, none is left
        aside(run.directory, "earlier")
    yield made
    made.down()
    for left in (ROOT / "runs").glob(f"*-smallpayroll-{made.name}"):
        aside(left, "damaged")


@pytest.mark.parametrize("state", POINTS)
def test_production_is_opened_as_it_was_without_its_run(site, state):
    plan = load_plan(site.plan_path)
    before = site.on("production", AS_IT_WAS)
    done = site.gonogo("run", "--yes", "--until", state)
    assert done.code == 0, done.out
    assert site.on("production", AS_IT_WAS) != before, "nothing was closed that this test could see"
    run = site.last_run
    POINTS[state](run.directory)

    for command in (["status"], ["run", "--yes"], ["back-out", "--yes"]):
        nothing_is_done_by_it(site, run, *command)

    arguments = ("back-out", "--yes", "--from-source", plan.source.address)
    if state in OPENED:
        done = site.gonogo(*arguments)
        assert (done.code, "a terminal" in done.out) == (exits.FAILED, True), "nobody but the operator gives up writes"
        done = site.answering(plan.web.hostnames[0], *arguments)
    else:
        done = site.gonogo(*arguments)
    assert done.code == exits.BACKED_OUT, done.out
    assert "production is open again" in done.out
    assert ("Close the target first" in done.out) == (state in OPENED), done.out
    assert site.on("production", AS_IT_WAS) == before
    assert '"status":"ok"' in site.on("production", HEALTH)
    assert ("change it to" in done.out) == (state == "dns_changed"), done.out

    # What it says to do before another run begins is enough for one to begin.
    assert (f"move {run.directory} away" in done.out) == run.directory.exists(), done.out
    if run.directory.exists():
        aside(run.directory, "moved-away")
    if state != "dns_changed":  # there the operator changes the records first
        done = site.gonogo("run", "--yes", "--until", "source_surveyed")
        assert done.code == 0, done.out
        assert site.last_run.name != run.name


def nothing_is_done_by_it(site: Site, run: Run, *command: str) -> None:
    """A command that would act by the run says what is wrong with it, or that it is gone, and the way back without it."""
    done = site.gonogo(*command)
    assert "--from-source" in done.out, done.out
    assert "Traceback" not in done.out, done.out
    if run.directory.exists():
        assert done.code == exits.COULD_NOT_VERIFY, done.out
        assert str(run.directory) in done.out.replace("\n", ""), done.out
    elif command[0] == "run":
        assert f"closed by {run.name}" in done.out, done.out
        shutil.rmtree(site.last_run.directory)  # it went no further than to find that out
