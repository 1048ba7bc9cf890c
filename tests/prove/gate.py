"""`make prove-gate`: gates that ask everything at once, and readings that are judged again, a line each."""

import gzip
import random
import statistics
import tempfile
import time
from pathlib import Path

from fixtures.plan import load_plan
from fixtures.plan.references import poor_secrets
from fixtures.redaction import known_secrets
from fixtures.run.evidence import PASS, GateResult, Verdict
from fixtures.run.readings import RUN, read_readings, write_readings
from fixtures.run.run import Run, runs_of
from steps.cli.replay import Again, judge_again, kept_gate
from steps.engine.gate import Gates
from tests.labsite import ROOT, TTL, Site
from tests.prove.demonstration import demonstration
from tests.prove.house import unit
from tests.prove.proof import main

GATE_SECONDS, GATE_PROCESSOR, DEMO_SECONDS = 3.0, 1.0, 200
FAR, FAR_SECONDS, TRIPS = 100, 4.0, 20
DEMONSTRATED = "demonstrated"
"""The lab of the demonstration; it is taken down at the end, since a plan's keys lie in it."""
ROUNDS = 5
REMOVED = 40
"""Readings that are taken away, one at a time, each from a gate that said go."""


def gate() -> str:
    """pre_cutover with all checks go: seconds of the second and later gates of a run, and what gonogo itself computes."""
    site = Site("gate")
    try:
        site.up(rehearsed=True, ttl=TTL)
        ready = site.gonogo("run", "--yes", "--until", "window_open")
        assert ready.code == 0, ready.out
        plan = load_plan(site.plan_path)
        gates = Gates(plan, runs_of(plan, ROOT / "runs")[-1])
        gates.collect()
        seconds = []
        for _ in range(ROUNDS + 1):
            begun = time.monotonic()
            result = gates.ask(["pre_cutover"])
            seconds.append(time.monotonic() - begun)
            assert result.verdict in PASS, [check.id for check in result.results if check.outcome is not Verdict.GO]
        near, far = (statistics.median(_by_hand(site, delay) for _ in range(3)) for delay in (0, FAR))
    finally:
        site.down()
    wall, own = statistics.median(seconds[1:]), statistics.median(gates.processor_seconds[1:])
    trips = (far - near) / (FAR / 1000)
    figure = (
        f"{len(result.results)} checks, {wall:.2f} s of {GATE_SECONDS}, gonogo's own processor time {own:.2f} s of {GATE_PROCESSOR}; "
        f"at {FAR} ms {far:.2f} s of {FAR_SECONDS} ({near:.2f} s without), so {trips:.0f} round trips one after another of {TRIPS}"
    )
    assert (wall <= GATE_SECONDS, own <= GATE_PROCESSOR, far <= FAR_SECONDS, trips <= TRIPS) == (True,) * 4, figure
    return figure


def _by_hand(site: Site, delay: int) -> float:
    """Seconds that the checks took by hand, with a round trip of so many milliseconds before everything."""
    plugin = ("-p", "tests.bench.delay")
    done = site.checks("pre_cutover", "-q", "-s", *plugin, GONOGO_BENCH_DELAY=str(delay))
    assert done.code == 0, done.out
    return float(done.out.rpartition("checks took ")[2].split()[0])


def demo() -> str:
    """A whole demonstration, and all its gates together."""
    figure = demonstration(Site(DEMONSTRATED), DEMO_SECONDS / 60)
    gates = _gates(_run())
    spent = sum((results[0].finished - results[0].started).total_seconds() for results in gates.values())
    return f"{figure}; {len(gates)} gates took {spent:.0f} s together"


def replay() -> str:
    """Every gate of the latest demonstration, judged again without a host: the same verdicts."""
    run = _run()
    judged = live = 0
    differing: list[str] = []
    for number in _gates(run):
        again = _again(run, number)
        judged += len(again.now) - len(again.not_judged)
        live += len(again.not_judged)
        differing += [f"gate {number}, {name}" for name in again.differing]
    figure = (
        f"{judged} verdicts of {judged + live} judged again in {len(_gates(run))} gates, {len(differing)} otherwise"
    )
    assert not differing, f"{figure}: {'; '.join(differing[:5])}"
    return figure


def missing() -> str:
    """With any one reading of a gate taken away there is never more go than with all of them."""
    run, choice = _run(), random.Random(11)
    gates = [number for number, results in _gates(run).items() if results[0].verdict is Verdict.GO]
    fewer = 0
    for _ in range(REMOVED):
        number = choice.choice(gates)
        readings = read_readings(kept_gate(run, number)[1])
        without = choice.choice([one for one in readings if one.connection != RUN] or readings)
        before = _went(_again(run, number))
        with tempfile.TemporaryDirectory() as directory:
            cut = Path(directory) / "cut.readings"
            write_readings(cut, [one for one in readings if one is not without])
            then, _ = kept_gate(run, number)
            after = _went(judge_again(load_plan(Site(DEMONSTRATED).plan_path), run, then, cut, Path(directory)))
        assert after <= before, f"gate {number} without {without.question[:100]}: {sorted(after - before)[:3]}"
        fewer += len(after) < len(before)
    return f"{REMOVED} readings taken away, one at a time: never more go, {fewer} times less"


def watches() -> str:
    """What must be asked twice is asked twice."""
    return unit("tests/unit/fixtures/facts/test_watches.py", "tests/unit/fixtures/plugin/test_gathering.py")


def secrets() -> str:
    """No secret of the plan stands in any reading of the latest demonstration."""
    run = _run()
    poor_secrets(load_plan(Site(DEMONSTRATED).plan_path))
    texts = {path.name: gzip.decompress(path.read_bytes()).decode() for path in run.gates.glob("*.readings")}
    found = [name for name, text in texts.items() for secret, key in known_secrets.items() if key and secret in text]
    assert not found, found
    return (
        f"{len(texts)} files, {sum(map(len, texts.values())) // 1000} kB unpacked, none of {len(known_secrets)} secrets"
    )


def _run() -> Run:
    """The latest demonstration's."""
    return Run(max((ROOT / "runs").glob(f"*-smallpayroll-{DEMONSTRATED}")))


def _gates(run: Run) -> dict[int, list[GateResult]]:
    numbers = sorted(int(path.name[:4]) for path in run.gates.glob("*.readings"))
    return {number: kept_gate(run, number)[0] for number in numbers}


def _again(run: Run, number: int) -> Again:
    then, readings = kept_gate(run, number)
    with tempfile.TemporaryDirectory() as directory:
        return judge_again(load_plan(Site(DEMONSTRATED).plan_path), run, then, readings, Path(directory))


def _went(again: Again) -> set[str]:
    return {name for name, one in again.now.items() if one.outcome in PASS}


ITEMS = [
    ("gate: pre_cutover in one breath", gate),
    ("demo: a demonstration and all its gates", demo),
    ("replay: every gate judged again", replay),
    ("missing: never more go without a reading", missing),
    ("watches: asked anew", watches),
    ("secrets: none in a reading", secrets),
]

if __name__ == "__main__":
    main("prove-gate", ITEMS, (DEMONSTRATED,))
