"""Back-out from a closed production, and from an opened target: production is open again, with its data."""

import pytest

from fixtures.run.evidence import Verdict
from tests.labsite import REHEARSED, Site

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


@pytest.mark.parametrize("state", ["source_closed", "dns_changed"])
def test_a_back_out_reopens_production(site, state):
    done = site.gonogo("run", "--yes", "--until", state)
    assert done.code == 0, done.out
    production_is_closed(site)
    done = site.gonogo("back-out", "--yes")
    assert done.code == 13, done.out
    production_is_open(site)
