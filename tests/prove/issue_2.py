"""`make prove-2`: what the first release promises, a line each. Names as arguments choose items: `... issue_2 kills`."""

import json
import re
import sys
import tempfile
from pathlib import Path

from fixtures.lab.faults import FAULTS, break_it, mend
from fixtures.run.evidence import Verdict
from steps.cli.lab import measure_users
from tests.bench.gates import lines as bench_lines
from tests.bench.gates import measure
from tests.labsite import CARD, REHEARSED, Site, finished, run, started
from tests.prove.demonstration import WARM_MINUTES, cold_demo, demonstration, same_rows_as_closed
from tests.prove.proof import main

TEST_MINUTES = 25


def warm_demo() -> str:
    """The demonstration with every image in the cache."""
    return demonstration(Site("prove"), WARM_MINUTES)


def red_then_green() -> str:
    """Each item of the card was red before its step and green after it; the rehearsal acted in nobody's name."""
    site = Site("prove")
    gates = site.gates()
    for state, what in CARD.items():
        verdicts = [g.verdict for g in gates if state in g.states]
        assert verdicts, f"{what}: no gate"
        assert verdicts[0] in (Verdict.NO_GO, Verdict.COULD_NOT_VERIFY), f"{what}: {verdicts[0]} before its step"
        assert Verdict.GO in verdicts[1:], f"{what}: never green"
    opened = next(e.at for e in site.journal() if e.kind == "target_open")
    instance = json.loads((site.last_run.directory / "records" / "target.json").read_text())
    mails = site.plan_path.parent / "mail.jsonl"
    ours = {instance["public_address"], instance["private_address"]}
    early = [
        m
        for m in map(json.loads, mails.read_text().splitlines())
        if m["client"] in ours and m["time"] < opened.isoformat()
    ]
    assert not early, f"{len(early)} mails from the target before it opened"
    # The cron job's own log is not copied: what stands there was written on the target.
    log = site.on("target", "cat /home/payroll/shared/log/cron.log 2>/dev/null || true").splitlines()
    acted = [line for line in log if line < opened.strftime("%Y-%m-%dT%H:%M:%SZ")]
    assert not acted, f"{len(acted)} actions of the target's cron before it opened"
    return f"{len(CARD)} items red, then green; 0 mails, 0 cron actions of the target before opening"


def whole_test() -> str:
    """`make test` in at most 15 minutes."""
    done = run(["make", "test"], timeout=3600)
    assert done.code == 0, done.out[-3000:]
    counts = re.findall(r"(\d+ passed[^=\n]*)", done.out)[-1]
    assert done.seconds <= TEST_MINUTES * 60, f"took {done.seconds:.0f} s"
    return f"{done.seconds:.0f} s of {TEST_MINUTES * 60}; {counts}"


KILLS = (
    ("inside install_postgresql", started("install_postgresql"), 2.0),
    ("between copy_uploads and the next", finished("copy_uploads"), 0.0),
    ("inside close_source", started("close_source"), 0.2),
    ("inside the final copy", started("copy_database_again"), 0.3),
    ("after target_open, inside change_dns", started("change_dns"), 0.1),
)


def kills() -> str:
    """SIGKILL of the executor at five points of one migration under load, and the same command again each time."""
    site = Site("kills")
    site.down()
    site.up(rehearsed=False)
    try:
        site.gonogo("lab", "users", "start", "--name", site.name)
        for _, moment, after in KILLS:
            site.killed_when(moment, after=after)
        done = site.gonogo("run", "--yes")
        assert done.code == 0, done.out
        site.gonogo("lab", "users", "stop", "--name", site.name)
        journal = site.journal()
        opened = next(n for n, e in enumerate(journal) if e.kind == "target_open")
        later = {e.step for e in journal[opened:] if e.kind == "step_started"}
        assert later <= {"open_target", "change_dns", "accept"}, later
        twice = [
            s
            for s in {e.step for e in journal}
            if s and sum(e.kind == "step_finished" and e.step == s for e in journal) > 1
        ]
        assert not twice, twice
        seen = measure_users(site.name, site.last_run)
        assert seen.lost == [], f"{len(seen.lost)} acknowledged writes lost"
        same_rows_as_closed(site)
        resumed = sum(
            1 for s in {e.step for e in journal} if sum(e.kind == "step_started" and e.step == s for e in journal) > 1
        )
        return f"{len(KILLS)} kills, accepted; {seen.acknowledged} writes acknowledged, 0 lost; {resumed} steps begun again"
    finally:
        site.down()


def rehearsed_site() -> Site:
    """A lab before its cutover, the old TTL run out: every gate of pre_cutover is go."""
    site = Site(REHEARSED)
    if not site.plan_path.exists():
        site.up(rehearsed=True)
        done = site.gonogo("run", "--yes", "--until", "window_open")
        assert done.code == 0, done.out
    return site


def each_fault() -> str:
    """One thing broken at a time: the matching gate is no-go, names the thing and says what to do."""
    site = rehearsed_site()
    for name, fault in FAULTS.items():
        break_it(site.name, name)
        try:
            done = site.checks(fault.state)
        finally:
            mend(site.name, name)
        failed = [line for line in done.out.splitlines() if line.startswith("FAILED")]
        assert done.code == 1, f"{name}: exit {done.code}"
        assert f"{fault.state}: no-go" in done.out, name
        assert any(fault.check in line for line in failed), f"{name}: {failed}"
        assert "do:  " in done.out, name
    return ", ".join(FAULTS)


def narrowed() -> str:
    """All-skipped, narrowed, deselected and emptied gates are never go."""
    site = rehearsed_site()
    whole = site.checks("pre_cutover")
    assert whole.code == 0, whole.out
    workers = site.checks("pre_cutover", "-n", "4")
    assert workers.code == 0, workers.out
    tried = 0
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "skip_all.py").write_text(
            "import pytest\ndef pytest_runtest_setup(item):\n    pytest.skip('all')\n"
        )
        (Path(directory) / "empty_all.py").write_text("def pytest_collection_modifyitems(items):\n    items.clear()\n")
        for arguments, extra in (
            (("-k", "ttl"), {}),
            (("-k", "nothing_at_all"), {}),
            (("--deselect", "checks/check_runtime.py"), {}),
            (("--collect-only",), {}),
            (("--ignore", "checks/check_ttl.py"), {}),
            (("-p", "skip_all"), {"PYTHONPATH": directory}),
            (("-p", "empty_all"), {"PYTHONPATH": directory}),
            ((), {"PYTEST_ADDOPTS": "-k ttl"}),
            ((), {"PYTEST_ADDOPTS": "--co"}),
        ):
            done = site.checks("pre_cutover", *arguments, **extra)
            assert done.code != 0, f"{arguments} {extra}: exit 0"
            assert "pre_cutover: go" not in done.out, f"{arguments} {extra}"
            tried += 1
    functions = {r.id.partition("[")[0] for g in Site("prove").gates() for r in g.results}
    assert len(functions) >= 45, f"{len(functions)} distinct checks"
    return (
        f"{tried} ways, all non-zero; whole: go with and without -n 4; {len(functions)} distinct checks ran in the demo"
    )


def _tests(name: str, expression: str) -> str:
    done = run([sys.executable, "-m", "pytest", "tests/lab/test_commands.py", "-q", "-k", expression])
    assert done.code == 0, done.out[-3000:]
    passed = re.findall(r"(\d+) passed", done.out)[-1]
    return f"{name}: {passed} cases"


def refusals() -> str:
    """Source and target swapped, one address, empty uploads, another account: refused before anything changes."""
    return _tests("refused", "swapped or account or upload or address")


def errors() -> str:
    """A wrong plan, an absent host, a refused key, a changed key, a closed port, a wrong password: one error each."""
    return _tests("one clear error each", "plan or host or key or port or password or terminal or state or down")


def bench() -> str:
    """The pre_cutover gate over three backends."""
    table = bench_lines(measure(rehearsed_site(), 3))
    print("\n".join(table))  # noqa: T201
    return "; ".join(" ".join(line.split()) for line in table[1:])


ITEMS = (
    ("warm: make demo, images cached", warm_demo),
    ("card: each item red before its step, green after; a quiet rehearsal", red_then_green),
    ("faults: each thing broken closes its gate", each_fault),
    ("narrowed: a gate that proves less is never go", narrowed),
    ("refusals: before anything changes", refusals),
    ("errors: one clear one each", errors),
    ("bench: the gate over three backends", bench),
    ("kills: SIGKILL at five points", kills),
    ("cold: make demo, nothing cached", cold_demo),
    ("test: make test", whole_test),
)

if __name__ == "__main__":
    main("prove-2", ITEMS, ("prove", REHEARSED))
