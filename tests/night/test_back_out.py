"""Back-out from a closed production, and from an opened target: production is open again, with its data."""

import threading
import time
from contextlib import contextmanager

import pytest

from fixtures.lab.production import production
from fixtures.run.evidence import Verdict
from fixtures.run.journal import SourceClosed
from tests.labsite import REHEARSED, Site, started

HEALTH = "curl -sk --connect-to ::127.0.0.1: https://app.smallpayroll.test/healthz"


@pytest.fixture
def site():
    made = Site(REHEARSED)
    made.down()
    made.up(rehearsed=True)
    yield made
    made.down()


def production_is_open(site):
    assert '"status":"ok"' in site.on("production", HEALTH)
    units = "systemctl is-active smallpayroll-worker smallpayroll-web@3001 smallpayroll-web@3002 cron"
    assert site.on("production", units).split() == ["active"] * 4
    assert site.sql("production", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'payroll'") == "t"
    assert "gonogo" not in site.on("production", 'cat "$(runuser -u postgres -- psql -XAtc "SHOW hba_file")"')
    last = next(g for g in reversed(site.gates()) if g.states == ["backed_out"])
    assert last.verdict is Verdict.GO


def production_is_closed(site):
    """Neither the application's user nor a superuser who is made meanwhile gets in; the host's own postgres does."""
    site.sql("production", "CREATE ROLE meanwhile SUPERUSER LOGIN PASSWORD 'p'")
    for who in (
        "PGPASSWORD=p psql -h 127.0.0.1 -U meanwhile",
        "runuser -u payroll -- psql",
        "PGPASSWORD=x psql -h 127.0.0.1 -U postgres",
    ):
        said = site.on("production", f"cd /; ! {who} -XAtc 'SELECT 1' payroll_prod 2>&1")
        assert "pg_hba.conf rejects connection" in said
    site.sql("production", "DROP ROLE meanwhile")


TRIED = 30
"""Seconds that whoever wants to write tries to, on closed production."""
INSERT = (
    "INSERT INTO timesheets (reference, employee_id, work_date, hours, invoice_number, created_at, updated_at) "
    "VALUES ('hostile {who}/' || clock_timestamp(), 1, now(), 1, nextval('invoice_numbers'), now(), now());"
)
AS_APPLICATION = f"PGPASSWORD={production.DATABASE_PASSWORD} psql -h 127.0.0.1 -U {production.DATABASE_ROLE}"
WRITERS = {
    "password": AS_APPLICATION,
    "named gonogo": f"PGAPPNAME=gonogo {AS_APPLICATION}",
    "superuser": "PGPASSWORD=p psql -h 127.0.0.1 -U meanwhile",
}
"""Who -> how they come in, again and again. Each of them also has a session that was opened before, and stays."""
_AGAIN = 'while test -e /run/hostile; do echo "{insert}" | {way} -XAtq {database} || true; sleep 0.3; done'
_STAYS = 'while test -e /run/hostile; do echo "{insert}"; sleep 0.3; done | {way} -XAtq {database}'
_PUT = "while test -e /run/hostile; do curl -sk --connect-to ::127.0.0.1: -X PUT -d hours=1 https://{site}/timesheets || true; sleep 0.3; done"


@contextmanager
def hostile_writers(site):
    """Sessions on production that want to write all the time, begun just before it is closed."""
    loops = [_PUT.format(site=production.HOST_NAME)]
    for who, way in WRITERS.items():
        for loop, suffix in ((_AGAIN, "again"), (_STAYS, "stays")):
            loops.append(
                loop.format(insert=INSERT.format(who=f"{who}, {suffix}"), way=way, database=production.DATABASE)
            )
    begin = "; ".join(f"(cd /; {loop}) >/dev/null 2>&1 </dev/null &" for loop in loops).replace("&;", "&")
    over = threading.Event()

    def come_when_it_closes():
        while not started("close_source")(site.journal()) and not over.wait(0.1):
            pass
        site.on("production", f"touch /run/hostile; {begin} true")

    site.sql("production", "CREATE ROLE meanwhile SUPERUSER LOGIN PASSWORD 'p'")
    thread = threading.Thread(target=come_when_it_closes)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        site.on("production", "rm -f /run/hostile; sleep 1")


def rows_of_writers(site):
    return site.sql(
        "production",
        "SELECT split_part(reference, '/', 1), count(*) FROM timesheets WHERE reference LIKE 'hostile %' GROUP BY 1 ORDER BY 1",
    )


def test_whoever_wants_to_write_writes_nothing_until_the_way_back(site):
    with hostile_writers(site):
        done = site.gonogo("run", "--yes", "--until", "source_closed")
        assert done.code == 0, done.out
        closed = rows_of_writers(site)
        assert "password, stays" in closed, "nobody had begun before it was closed"
        begun = time.monotonic()
        done = site.gonogo("run", "--yes", "--until", "final_data_copied")
        assert done.code == 0, done.out
        time.sleep(max(0, TRIED - (time.monotonic() - begun)))
        assert rows_of_writers(site) == closed
        assert site.last_run.happened(SourceClosed)
        done = site.gonogo("back-out", "--yes")
        assert done.code == 13, done.out
        time.sleep(2)
        assert rows_of_writers(site) != closed, "whoever comes again writes again"
    production_is_open(site)


@pytest.mark.parametrize("state", ["dns_changed"])
def test_a_back_out_reopens_production(site, state):
    done = site.gonogo("run", "--yes", "--until", state)
    assert done.code == 0, done.out
    production_is_closed(site)
    done = site.gonogo("back-out", "--yes")
    assert done.code == 13, done.out
    production_is_open(site)
