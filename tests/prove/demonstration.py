"""The demonstration, run as a user runs it, and looked at from outside."""

import re
import tempfile

from fixtures.run.evidence import Verdict
from fixtures.run.journal import Accepted
from fixtures.run.records import Users
from tests.labsite import Site, served_through_public_dns

# Image, backups, the DNS clock and HTTPS came to it after the first release, which allowed 8 and 4.
COLD_MINUTES, WARM_MINUTES = 10, 6


def demonstration(site: Site, minutes: float, **extra: str) -> str:
    """A whole demonstration: exit 0, accepted, every claim of the first item looked at from outside."""
    done = site.gonogo("lab", "demo", "--keep", "--name", site.name, **extra)
    assert done.code == 0, done.out
    assert site.last_run.happened(Accepted)
    steps = re.findall(r"^\s*\d+/\d+ (\w+)\s+(go|waived)", done.out, re.MULTILINE)
    assert len(steps) == len({e.step for e in site.journal() if e.kind == "step_finished"}), done.out
    served = served_through_public_dns(site)
    assert served["server"] != "production", served
    seen = site.last_run.records(Users)
    assert seen.lost == []
    assert seen.served_by_target > 0
    assert seen.write_gap_seconds is not None
    assert seen.outage_seconds is not None
    same_rows_as_closed(site)
    _old_host_is_quiet(site)
    assert done.seconds <= minutes * 60, f"took {done.seconds:.0f} s of {minutes * 60:.0f}"
    return (
        f"{done.seconds:.0f} s of {minutes * 60:.0f}; {len(steps)} steps; write gap {seen.write_gap_seconds:.1f} s, "
        f"outage {seen.outage_seconds:.1f} s; {seen.acknowledged} writes acknowledged, 0 lost; "
        f"{seen.served_by_target} requests served by {served['server']}"
    )


def cold_demo() -> str:
    """The demonstration with an empty cache."""
    with tempfile.TemporaryDirectory(prefix="gonogo-cold-") as cache:
        site = Site("cold")
        try:
            return demonstration(site, COLD_MINUTES, GONOGO_CACHE=cache)
        finally:
            site.down()


def same_rows_as_closed(site: Site) -> None:
    """The gate after the final copy named every table and was go: compare its count with production's tables."""
    tables = int(
        site.sql(
            "production",
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm') AND NOT relispartition",
        )
    )
    gate = next(g for g in reversed(site.gates()) if g.states == ["final_data_copied"])
    assert gate.verdict is Verdict.GO
    rows = [r for r in gate.results if "row_counts" in r.id]
    assert len(rows) == tables, f"{len(rows)} of {tables} tables compared"


def _old_host_is_quiet(site: Site) -> None:
    active = site.on("production", "systemctl is-active smallpayroll-worker 'smallpayroll-web@*' || true").split()
    assert "active" not in active, active
    login = site.sql("production", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'payroll'")
    assert login == "f", "the application's role may still log in on the old host"
