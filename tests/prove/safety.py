"""`make prove-safety`: production is never hurt, and never left shut, a line each. Names as arguments choose items."""

import json
import os
import random
import signal
from dataclasses import dataclass
from datetime import UTC, datetime

from fixtures.lab import control
from fixtures.lab.users import ledger
from fixtures.plan import load_plan
from fixtures.run.journal import Accepted, BackedOut, SourceClosed
from fixtures.run.standing import standing
from steps.cli import exits
from steps.cli.lab import measure_users
from steps.engine.executor import ended
from tests.labsite import REHEARSED, ROOT, TTL, Site, started
from tests.prove.house import commit, unit
from tests.prove.proof import MEASURED, main
from tests.unit.remedies import summary
from tests.unit.test_silence import KINDS

CAMPAIGN = MEASURED / "stops.md"
STOPS = 100
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SECONDS = {
    "close_source": 3.0, "stop_target_application": 1.0, "copy_database_again": 3.0, "copy_uploads_again": 2.0,
    "start_application_again": 2.0, "open_target": 2.0, "change_dns": 3.0, "accept": 2.0,
}  # fmt: skip
"""Step -> within how many seconds of its begin it is stopped; it and its gate take about that long in the lab."""


@dataclass(frozen=True)
class Stop:
    """Where, when and how a run is stopped, by the number of the stop alone; `back`: it then goes back instead of on."""

    number: int
    step: str
    after: float
    by: signal.Signals
    back: bool

    @classmethod
    def numbered(cls, number: int) -> "Stop":
        choice = random.Random(number)
        step = list(SECONDS)[number % len(SECONDS)]
        return cls(
            number, step, round(choice.uniform(0, SECONDS[step]), 2), choice.choice(SIGNALS), choice.random() < 0.2
        )


def stops() -> str:
    """Runs that are stopped in the cutover with users at work, and go on or back; they add up over several calls."""
    most = int(os.environ.get("GONOGO_STOPS", STOPS))
    site = Site(REHEARSED)
    for _ in range(most):
        number = len(_kept())
        if number >= STOPS:
            break
        wrong = _stop_once(site, Stop.numbered(number))
        assert not wrong, f"stop {number}: {wrong}"
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


def _stop_once(site: Site, stop: Stop) -> str:
    """Stop one run; what was wrong, "" for nothing. It is one line more of the campaign."""
    site.down()
    for old in (ROOT / "runs").glob(f"*-smallpayroll-{site.name}"):
        old.rename(old.with_name(f"{old.name}-stopped"))  # its production is gone with its lab
    site.up(rehearsed=True, ttl=TTL)
    acknowledged, wrong = 0, ""
    try:
        acknowledged = _judge(site, stop)
    except AssertionError as error:
        wrong = (str(error).strip().splitlines() or ["?"])[-1][:200]
    finally:
        site.down()
    if not CAMPAIGN.exists():
        CAMPAIGN.write_text(
            "# Stops of the cutover with users at work\n\n"
            "| stop | when (UTC) | commit | signal | in the step, after s, then | writes acknowledged | wrong |\n"
            "| --- | --- | --- | --- | --- | ---: | --- |\n"
        )
    with CAMPAIGN.open("a") as file:
        then = "back" if stop.back else "on"
        file.write(
            f"| {stop.number} | {datetime.now(UTC):%Y-%m-%d %H:%M} | {commit()} | {stop.by.name} | {stop.step}, {stop.after}, {then} | "
            f"{acknowledged} | {wrong or 'none'} |\n"
        )
    return wrong


def _judge(site: Site, stop: Stop) -> int:
    """Stop a run and go on or back; raises AssertionError for whatever was not as promised. Writes acknowledged."""
    ready = site.gonogo("run", "--yes", "--until", "window_open")
    assert ready.code == 0, ready.out
    site.gonogo("lab", "users", "start", "--name", site.name)
    said = site.killed_when(started(stop.step), after=stop.after, by=stop.by)
    stands = standing(site.last_run.entries())
    status = site.gonogo("status", "--json")
    assert status.code == 0, status.out
    # What of the environment was not used is said before, on the other stream.
    assert json.loads(status.out[status.out.index("{") :])["serves_users"] == stands.serves, status.out
    closed = site.last_run.happened(SourceClosed)
    if stop.by is not signal.SIGKILL and closed and not ended(site.last_run, Accepted):
        assert "go back: gonogo back-out" in said, f"nothing was said of production: {said[-300:]}"
    if stop.back and not ended(site.last_run, Accepted):
        done = site.gonogo("back-out", "--yes")
        assert done.code == exits.BACKED_OUT, done.out
        assert ended(site.last_run, BackedOut)
    else:
        done = site.gonogo("run", "--yes")
        assert done.code == 0 or ended(site.last_run, Accepted), done.out
    site.gonogo("lab", "users", "stop", "--name", site.name)
    requests = ledger.read(control.lab_status(site.name).directory / "ledger.jsonl")
    if stop.back:
        return _kept_by_production(site, requests)
    seen = measure_users(site.name, site.last_run)
    assert not seen.lost, f"{len(seen.lost)} acknowledged writes are lost"
    old = load_plan(site.plan_path).source.addresses
    moved = min((one.start for one in requests if one.acknowledged and one.address not in old), default=float("inf"))
    late = [one for one in requests if one.acknowledged and one.address in old and one.start > moved]
    assert not late, f"production acknowledged {len(late)} writes after the target had"
    return seen.acknowledged


def _kept_by_production(site: Site, requests: list[ledger.Request]) -> int:
    """Production has whatever it acknowledged itself; what the target took in was given up by word."""
    old = load_plan(site.plan_path).source.addresses
    promised = {one.reference for one in requests if one.acknowledged and one.address in old}
    stored = set(site.sql("production", "SELECT reference FROM timesheets WHERE reference IS NOT NULL").split())
    assert promised <= stored, f"{len(promised - stored)} acknowledged writes are lost"
    return len(promised)


def fence() -> str:
    """Roles, rules, sessions and subscriptions of real servers, closed and opened as they were; who writes beside them."""
    return unit(
        "tests/unit/steps/tools/test_fence.py",
        "tests/unit/steps/night/test_cutover.py",
        "tests/unit/checks/test_check_closed.py",
        "tests/unit/checks/test_check_writers.py",
    )


def from_source() -> str:
    """Production is opened by what lies there alone; a run that was lost or changed makes no claims."""
    return unit(
        "tests/unit/steps/back_out/test_from_source.py",
        "tests/unit/fixtures/run/test_sums.py",
        "tests/unit/steps/cli/test_cli.py",
    )


def damaged() -> str:
    """In a lab, at five points after the closing: the run's directory is deleted, emptied, or changed in one byte."""
    return unit("tests/night/test_from_source.py", timeout=3600)


def endings() -> str:
    """Signals, a lost terminal, a cut network, and what a run does afterwards."""
    return unit(
        "tests/unit/steps/cli/test_signals.py",
        "tests/unit/fixtures/run/test_standing.py",
        "tests/unit/steps/engine/test_executor.py",
    )


def silence() -> str:
    """Every kind of wait against a peer that says nothing, or a byte now and then; what is shown while something takes long."""
    shown = unit(
        "tests/unit/test_silence.py",
        "tests/unit/steps/engine/test_progress.py",
        "tests/unit/fixtures/plugin/test_gathering.py",
    )
    return f"{len(KINDS)} kinds of wait, each ends; {shown}"


def remedies() -> str:
    """Each message that names a command, with the test that ran it; those that nothing has tried are counted."""
    unit("tests/unit/test_remedies.py")
    return summary()


ITEMS = [
    ("stops: with users at work", stops),
    ("fence: everybody, on real servers", fence),
    ("from-source: the way back without the run", from_source),
    ("damaged: runs, at five points in a lab", damaged),
    ("endings: alike, and remedies that are true", endings),
    ("silence: every kind of wait ends", silence),
    ("remedies: messages that name a command", remedies),
]

if __name__ == "__main__":
    main("prove-safety", ITEMS, (REHEARSED,))
