"""`make prove-4`: what was moved is proven to be the same, a line each. Names as arguments choose items."""

import re
import statistics
import sys
import time

from fixtures.lab.faults import FAULTS, break_it, mend
from tests.bench import files as file_bench
from tests.bench import rows as bench
from tests.labsite import REHEARSED, Site, run
from tests.prove.proof import main

OF_THE_FLOOR = 2.0
OF_RELADIFF = 1 / 5
MEMORY = 200  # MB
EXAMPLES = 10_000
REHEARSALS = 20
SABOTAGE = ("bit-flipped", "upload-changed", "header-missing")


def rows() -> str:
    """The proof of four million rows on both sides, beside reading them and beside reladiff; and gonogo's memory."""
    results = bench.measure()
    bench_lines = bench.lines(results)
    print(*bench_lines, sep="\n")  # noqa: T201 - the proof's output
    figures, failed = [], []
    for table, its in results.items():
        floor, ours, theirs = (its[way].median for way in ("floor", "proof", "reladiff"))
        peak = its["proof"].peak or 0
        figures.append(
            f"{table}: {ours:.1f} s, {ours / floor:.2f} x the floor, {ours / theirs:.2f} of reladiff, {peak:.0f} MB"
        )
        if ours > OF_THE_FLOOR * floor or ours > OF_RELADIFF * theirs or peak > MEMORY:
            failed.append(table)
    assert not failed, "; ".join(figures)
    return "; ".join(figures)


def files() -> str:
    """Manifests of both sides beside sha256sum and rsync on the same trees; and gonogo's memory."""
    seconds, peak = file_bench.measure()
    print(*file_bench.lines(seconds, peak), sep="\n")  # noqa: T201 - the proof's output
    floor, *ours = (statistics.median(seconds[way]) for way in (file_bench.FLOOR, file_bench.FULL, file_bench.DELTA))
    figures = f"sha256sum {floor:.1f} s, manifests {ours[0]:.1f} s, by delta {ours[1]:.1f} s, {peak:.0f} MB"
    assert peak < MEMORY, figures
    return figures


def property_() -> str:
    """Generated tables of every type: any change is found where it is, equal data never differs, 13 -> 15 -> 17."""
    done = run([sys.executable, "-m", "pytest", "-q", "tests/sameness"], timeout=7200, GONOGO_EXAMPLES=str(EXAMPLES))
    assert done.code == 0, done.out[-3000:]
    return f"{EXAMPLES} examples; {done.out.strip().splitlines()[-1]}"


def live() -> str:
    """Rehearsals while users write: each proof is equal."""
    site = Site(REHEARSED)
    site.down()
    site.up(rehearsed=True)
    try:
        site.gonogo("lab", "users", "start", "--name", site.name)
        time.sleep(5)
        before = _rows(site)
        for number in range(1, REHEARSALS + 1):
            done = site.gonogo("rehearse", "--yes")
            assert done.code == 0, f"rehearsal {number}: {done.out[-3000:]}"
        written = _rows(site) - before
        site.gonogo("lab", "users", "stop", "--name", site.name)
        assert written > 0, "nobody wrote"
        return f"{REHEARSALS} of {REHEARSALS} equal; users wrote {written} rows meanwhile"
    finally:
        site.down()


def _rows(site: Site) -> int:
    """Rows ever written in production's database."""
    return int(
        site.sql(
            "production", "SELECT pg_stat_clear_snapshot(); SELECT sum(n_tup_ins) FROM pg_stat_user_tables"
        ).split()[-1]
    )


def unprovable() -> str:
    """What cannot be proven is could-not-verify by its name, and the rest is proven all the same."""
    done = run([sys.executable, "-m", "pytest", "-q", "tests/sameness/test_unprovable.py"])
    assert done.code == 0, done.out[-3000:]
    return done.out.strip().splitlines()[-1]


def sabotage() -> str:
    """One bit in a bytea, a file of equal size and time, a header: each gate red and naming it."""
    site = Site(REHEARSED)
    site.down()
    site.up(rehearsed=True, ttl=None)
    try:
        caught = []
        for name in SABOTAGE:
            fault = break_it(site.name, name)
            try:
                done = site.checks(fault.state)
            finally:
                mend(site.name, name)
            failed = re.findall(r"^FAILED checks/\S+?::(\S+)", done.out, re.MULTILINE)
            assert done.code == 1, done.out[-3000:]
            assert any(fault.check in one for one in failed), done.out[-3000:]
            caught.append(f"{FAULTS[name].meaning}: {', '.join(failed)}")
        return "; ".join(caught)
    finally:
        site.down()


ITEMS = (
    ("rows: four million rows, twice the floor at most, a fifth of reladiff's time", rows),
    ("files: manifests beside sha256sum and rsync -c, below 200 MB", files),
    ("property: any single change found where it is, equal data never differs", property_),
    ("unprovable: could-not-verify by name", unprovable),
    ("sabotage: a bit, a file, a header, each by name", sabotage),
    ("live: rehearsals under users at work", live),
)

if __name__ == "__main__":
    main("prove-4", ITEMS, (REHEARSED,))
