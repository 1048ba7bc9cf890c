"""A night of the lab that is stopped again and again with users at work, and what must be true after each stop.

A night is one lab. All the while users try to write on both hosts, wherever the name leads.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fixtures.connect.web import web_of
from fixtures.errors import GonogoError
from fixtures.lab import control
from fixtures.lab.users import ledger
from fixtures.plan import Plan, load_plan
from fixtures.run.journal import Accepted, BackedOut, SourceClosed
from fixtures.run.records import TargetFacts
from fixtures.run.standing import standing
from steps.cli import exits
from steps.cli.lab import measure_users
from steps.engine.executor import ended
from tests.labsite import ROOT, TTL, Site
from tests.prove.house import commit
from tests.prove.proof import MEASURED

CAMPAIGN = MEASURED / "stops.md"
STOPS = 100


@dataclass(frozen=True)
class Stopped:
    """A stop that was made: its number in the campaign, by what, where, and what was wrong ("" for nothing)."""

    number: int
    by: str
    where: str
    wrong: str = ""


@dataclass
class Night:
    """The stops of one lab, in order; `back`: it ends in a back-out."""

    site: Site
    made: list[Stopped] = field(default_factory=list)
    back: bool = False

    def stopped(self, by: str, where: str) -> None:
        """Note a stop before it is looked at, so that what is found wrong is said of it."""
        self.made.append(Stopped(len(kept()) + len(self.made), by, where))

    def led_by_the_name_alone(self) -> None:
        """From now on users go where the name leads: nothing is accepted while production is still asked."""
        control.lab_call(self.site.name, "users", "stop")
        control.lab_call(self.site.name, "users", "start", 10.0, 3600.0, ())


@contextmanager
def night(site: Site) -> Iterator[Night]:
    """A rehearsed lab with its window open and users at work; at the end nothing is lost, and its rows are in the campaign.

    Raises AssertionError for what was wrong, once it stands in its row.
    """
    site.down()
    for old in (ROOT / "runs").glob(f"*-smallpayroll-{site.name}"):
        # Its production is gone with its lab; each rehearsed lab begins with a run of the same name.
        old.rename(old.with_name(f"{old.name}-stopped-{time.time_ns()}"))
    site.up(rehearsed=True, ttl=TTL)
    this, writes = Night(site), 0
    try:
        ready = site.gonogo("run", "--yes", "--until", "window_open")
        assert ready.code == 0, ready.out
        target = site.last_run.records(TargetFacts)
        production = load_plan(site.plan_path).source.addresses
        everywhere = [one for one in (*production, target.public_address, target.ipv6_address) if one]
        control.lab_call(site.name, "users", "start", 10.0, 3600.0, everywhere)
        yield this
        writes = _end(this)
    except (AssertionError, GonogoError, OSError, subprocess.SubprocessError) as error:
        print(error, flush=True)  # noqa: T201 - whole, for whoever looks for the cause
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        this.made[-1:] = [replace(one, wrong=said[:200]) for one in this.made[-1:]]
        raise
    finally:
        site.down()
        _write(this.made, writes)


def ended_well(site: Site, by: str, code: int, said: str) -> None:
    """What a stopped process and `gonogo status` say is true; raises AssertionError."""
    stands = standing(site.last_run.entries())
    over = ended(site.last_run, Accepted)
    assert code == 0 or not over or by == "SIGKILL", f"accepted, and ended with {code}: {said[-300:]}"
    assert "Traceback" not in said, f"a traceback: {said[-300:]}"
    if by != "SIGKILL" and code != 0 and site.last_run.happened(SourceClosed) and not over:
        assert "go back: gonogo back-out" in said, f"nothing was said of production: {said[-300:]}"
    status = site.gonogo("status", "--json")
    assert status.code == 0, status.out
    # What of the environment was not used is said before, on the other stream.
    shown = json.loads(status.out[status.out.index("{") :])["serves_users"]
    assert shown == stands.serves, f"status says {shown}, the journal {stands.serves}"
    if shown == "nobody":
        plan = load_plan(site.plan_path)
        for address in plan.source.addresses:  # the target is tried by the users all the time
            assert not _serves(plan, address), f"status says that nobody serves users, and {address} does"


def kept(campaign: Path = CAMPAIGN) -> list[list[str]]:
    """The campaign's rows until now, each by its columns."""
    if not campaign.exists():
        return []
    rows = [line.strip("| \n").split(" | ") for line in campaign.read_text().splitlines()]
    return [row for row in rows if row[0].isdigit()]


def _write(made: Sequence[Stopped], writes: int) -> None:
    """The night's lines; what users were promised in it stands in the last one."""
    with CAMPAIGN.open("a") as file:
        for one in made:
            acknowledged = writes if one is made[-1] else 0
            file.write(
                f"| {one.number} | {datetime.now(UTC):%Y-%m-%d %H:%M} | {commit()} | {one.by} | {one.where} | "
                f"{acknowledged} | {one.wrong or 'none'} |\n"
            )


def _serves(plan: Plan, address: str) -> bool:
    try:
        return bool(web_of(plan).get(plan.health_page, address).status_code == 200)
    except GonogoError:
        return False


def _end(this: Night) -> int:
    """Go on to the end, or back: writes that users were promised, none of which is lost. Raises AssertionError."""
    site = this.site
    if not ended(site.last_run, Accepted) and not ended(site.last_run, BackedOut):
        if not this.back:
            this.led_by_the_name_alone()
        done = site.gonogo(*(("back-out", "--yes") if this.back else ("run", "--yes")))
        assert done.code == (exits.BACKED_OUT if this.back else 0), done.out
    control.lab_call(site.name, "users", "stop")
    requests = ledger.read(control.lab_status(site.name).directory / "ledger.jsonl")
    if ended(site.last_run, BackedOut):
        return _kept_by_production(site, requests)
    seen = measure_users(site.name, site.last_run)
    assert not seen.lost, f"{len(seen.lost)} acknowledged writes are lost"
    old = load_plan(site.plan_path).source.addresses
    moved = min((one.start for one in requests if one.acknowledged and one.address not in old), default=float("inf"))
    late = [one for one in requests if one.acknowledged and one.address in old and one.start > moved]
    assert not late, f"production acknowledged {len(late)} writes after the target had"
    return seen.acknowledged


def _kept_by_production(site: Site, requests: Sequence[ledger.Request]) -> int:
    """Production has whatever it acknowledged itself; what the target took in was given up by word."""
    old = load_plan(site.plan_path).source.addresses
    promised = {one.reference for one in requests if one.acknowledged and one.address in old}
    stored = set(site.sql("production", "SELECT reference FROM timesheets WHERE reference IS NOT NULL").split())
    assert promised <= stored, f"{len(promised - stored)} acknowledged writes are lost"
    return len(promised)
