"""The cutover with users at work: killed in the final copy and after the opening, and accepted all the same."""

import pytest

from fixtures.run.journal import Accepted
from steps.cli.lab import measure_users
from tests.labsite import REHEARSED, Site, finished, served_through_public_dns, started


@pytest.fixture(scope="module")
def site():
    made = Site(REHEARSED)
    made.down()
    made.up(rehearsed=True)
    yield made
    made.down()


def test_killed_in_the_final_copy_and_after_opening_it_still_arrives(site):
    site.gonogo("lab", "users", "start", "--name", site.name)
    site.killed_when(started("copy_database_again"), after=0.3)
    site.killed_when(started("change_dns"), after=0.1)
    done = site.gonogo("run", "--yes")
    assert done.code == 0, done.out
    assert site.last_run.happened(Accepted)
    site.gonogo("lab", "users", "stop", "--name", site.name)


def test_no_acknowledged_write_is_lost_and_the_target_serves(site):
    seen = measure_users(site.name, site.last_run)
    assert seen.lost == []
    assert seen.acknowledged > 0
    assert seen.served_by_target > 0
    served = served_through_public_dns(site)
    assert served["server"] != "production"


def test_the_old_host_no_longer_writes(site):
    count = "SELECT count(*) FROM timesheets"
    before = site.sql("production", count)
    assert site.on("production", "systemctl is-active smallpayroll-worker || true").strip() == "inactive"
    assert site.sql("production", count) == before


def test_after_opening_no_destructive_step_runs_again(site):
    run = site.last_run
    opened = next(n for n, e in enumerate(run.entries()) if e.kind == "target_open")
    later = {e.step for n, e in enumerate(run.entries()) if n > opened and e.kind == "step_started"}
    assert later <= {"open_target", "change_dns", "accept"}
    assert finished("accept")(list(run.entries()))


def test_the_pages_are_there(site):
    directory = site.last_run.directory
    assert "Accepted" in (directory / "signoff.html").read_text()
    assert (directory / "junit.xml").exists()
