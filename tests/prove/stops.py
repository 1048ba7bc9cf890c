"""Runs that are stopped in the cutover with users at work, and go on or back: a campaign that adds up over several calls.

A night is one lab: its run is stopped in one step of the cutover after the other, each time goes on by the same command, and
ends accepted or backed out. All the while users try to write on both hosts, wherever the name leads.
"""

import json
import random
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

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
from tests.labsite import REHEARSED, ROOT, TTL, Site, stop_group
from tests.prove.house import commit
from tests.prove.proof import MEASURED

CAMPAIGN = MEASURED / "stops.md"
STOPS = 100
SECONDS = {
    "close_source": 3.0, "stop_target_application": 1.0, "copy_database_again": 3.0, "copy_uploads_again": 2.0,
    "start_application_again": 2.0, "open_target": 2.0, "change_dns": 3.0, "accept": 2.0,
}  # fmt: skip
"""Step -> within how many seconds of its begin it is stopped; it and its gate take about that long in the lab."""
LAST = "accept"

Kind = Literal["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "postgres-production", "postgres-target", "network", "disk"]
KINDS: Sequence[Kind] = (
    *("SIGKILL",) * 5, "SIGTERM", "SIGTERM", "SIGHUP", "SIGINT", "postgres-production", "postgres-target", "network", "disk",
)  # fmt: skip
"""What a stop is made of, chosen with equal weight: the operator's own process, or something that it needs."""

_POSTGRES = "systemctl kill --signal=KILL 'postgresql@*.service'"
_POSTGRES_AGAIN = (
    "for unit in $(systemctl list-units --all --plain --no-legend 'postgresql@*.service' | cut -d' ' -f1); do "
    "systemctl reset-failed $unit; systemctl start $unit; done"
)
_FILL = 'fallocate -l "$(df --output=avail -B1 /mnt | tail -1)" /mnt/gonogo-full 2>/dev/null || dd if=/dev/zero of=/mnt/gonogo-full bs=1M 2>/dev/null || true'
_CUT = (
    "nft 'add table inet gonogo_cut; add chain inet gonogo_cut in { type filter hook input priority -300; }; "
    "add rule inet gonogo_cut in tcp dport 22 drop'"
)
_BREAK = {
    "postgres-production": ("production", _POSTGRES, _POSTGRES_AGAIN),
    "postgres-target": ("target", _POSTGRES, _POSTGRES_AGAIN),
    "network": ("target", _CUT, "nft delete table inet gonogo_cut"),
    "disk": ("target", _FILL, "rm -f /mnt/gonogo-full"),
}
"""Kind -> the host, how it is broken there, and how the operator mends it."""


@dataclass(frozen=True)
class Stop:
    """Where, when and how a run is stopped, by the number of the stop alone; `back`: it then goes back instead of on."""

    number: int
    step: str
    after: float
    by: Kind
    back: bool

    @classmethod
    def numbered(cls, number: int) -> "Stop":
        choice = random.Random(number)
        step = list(SECONDS)[number % len(SECONDS)]
        return cls(
            number, step, round(choice.uniform(0, SECONDS[step]), 2), choice.choice(KINDS), choice.random() < 0.1
        )


@dataclass(frozen=True)
class Stopped:
    """A stop that was made, and what was wrong ("" for nothing)."""

    stop: Stop
    wrong: str = ""


def stops(most: int) -> str:
    """Go on with the campaign, by so many stops at most: what it has shown so far. Raises AssertionError for less than all."""
    last = min(STOPS, len(_kept()) + most)
    while len(_kept()) < last:
        night = _night(Site(REHEARSED), range(len(_kept()), last))
        wrong = [f"stop {one.stop.number}: {one.wrong}" for one in night if one.wrong]
        assert not wrong, "; ".join(wrong)
    kept = _kept()
    bad = [row[0] for row in kept if row[-1] != "none"]
    writes = sum(int(row[5]) for row in kept)
    figure = f"{len(kept)} of {STOPS} stops, {writes} writes acknowledged, 0 lost; wrong: {', '.join(bad) or 'none'}"
    assert len(kept) >= STOPS, figure
    assert not bad, figure
    return figure


def _kept() -> list[list[str]]:
    if not CAMPAIGN.exists():
        return []
    rows = [line.strip("| \n").split(" | ") for line in CAMPAIGN.read_text().splitlines()]
    return [row for row in rows if row[0].isdigit()]


def _night(site: Site, numbers: Sequence[int]) -> list[Stopped]:
    """Stop the run of one lab in one step after the other; each stop is one line more of the campaign."""
    site.down()
    for old in (ROOT / "runs").glob(f"*-smallpayroll-{site.name}"):
        old.rename(old.with_name(f"{old.name}-stopped"))  # its production is gone with its lab
    site.up(rehearsed=True, ttl=TTL)
    made: list[Stopped] = []
    writes = 0
    try:
        ready = site.gonogo("run", "--yes", "--until", "window_open")
        assert ready.code == 0, ready.out
        target = site.last_run.records(TargetFacts)
        production = load_plan(site.plan_path).source.addresses
        everywhere = [one for one in (*production, target.public_address, target.ipv6_address) if one]
        control.lab_call(site.name, "users", "start", 10.0, 3600.0, everywhere)
        for stop in map(Stop.numbered, numbers):
            made.append(Stopped(stop))
            if stop.step == LAST:
                _led_by_the_name_alone(site)
            _stop(site, stop)
            if stop.back or stop.step == LAST or ended(site.last_run, Accepted):
                break
        writes = _end(site, back=made[-1].stop.back)
    except (AssertionError, GonogoError, OSError, subprocess.SubprocessError) as error:
        print(error, flush=True)  # noqa: T201 - whole, for whoever looks for the cause
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        made[-1:] = [replace(made[-1], wrong=said[:200])] if made else []
        if not made:
            raise
    finally:
        site.down()
    _write(made, writes)
    return made


def _led_by_the_name_alone(site: Site) -> None:
    """From now on users go where the name leads: nothing is accepted while production is still asked."""
    control.lab_call(site.name, "users", "stop")
    control.lab_call(site.name, "users", "start", 10.0, 3600.0, ())


def _write(made: Sequence[Stopped], writes: int) -> None:
    """The night's lines; what users were promised in it stands in the last one."""
    with CAMPAIGN.open("a") as file:
        for one in made:
            stop, then = one.stop, "back" if one.stop.back else "on"
            acknowledged = writes if one is made[-1] else 0
            file.write(
                f"| {stop.number} | {datetime.now(UTC):%Y-%m-%d %H:%M} | {commit()} | {stop.by} | {stop.step}, {stop.after}, {then} | "
                f"{acknowledged} | {one.wrong or 'none'} |\n"
            )


def _stop(site: Site, stop: Stop) -> None:
    """Stop the run once; raises AssertionError for whatever was not as promised."""
    known = len(site.journal())
    later = list(SECONDS)[list(SECONDS).index(stop.step) :]
    process = site.begin(
        lambda entries: any(one.kind == "step_started" and one.step in later for one in entries[known:]),
        after=stop.after,
    )
    broken = _BREAK.get(stop.by)
    if process.poll() is None and broken is None:
        stop_group(process, signal.Signals[stop.by])
    elif broken is not None:
        site.on(broken[0], broken[1])
    try:
        said = process.communicate(timeout=600)[0]
    finally:
        if broken is not None:
            site.on(broken[0], broken[2])
    _ended_well(site, stop, process.returncode, said)


def _ended_well(site: Site, stop: Stop, code: int, said: str) -> None:
    """What the ended process and `gonogo status` say of it is true."""
    stands = standing(site.last_run.entries())
    over = ended(site.last_run, Accepted)
    assert code == 0 or not over or stop.by == "SIGKILL", f"accepted, and ended with {code}: {said[-300:]}"
    assert "Traceback" not in said, f"a traceback: {said[-300:]}"
    if stop.by != "SIGKILL" and code != 0 and site.last_run.happened(SourceClosed) and not over:
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


def _serves(plan: Plan, address: str) -> bool:
    try:
        return bool(web_of(plan).get(plan.health_page, address).status_code == 200)
    except GonogoError:
        return False


def _end(site: Site, *, back: bool) -> int:
    """Go on to the end, or back: writes that users were promised, none of which is lost. Raises AssertionError."""
    over = ended(site.last_run, Accepted)
    if back and not over:
        done = site.gonogo("back-out", "--yes")
        assert done.code == exits.BACKED_OUT, done.out
        assert ended(site.last_run, BackedOut)
    elif not over:
        _led_by_the_name_alone(site)
        done = site.gonogo("run", "--yes")
        assert done.code == 0, done.out
    control.lab_call(site.name, "users", "stop")
    requests = ledger.read(control.lab_status(site.name).directory / "ledger.jsonl")
    if back and not over:
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
