"""`make prove-house`: the rooms, and evidence that keeps its structure, a line each. Names as arguments choose items."""

import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.labsite import ROOT, Site, run
from tests.prove import signed_off
from tests.prove.demonstration import WARM_MINUTES, demonstration
from tests.prove.proof import MEASURED, main

BEFORE = "6a39256"
"""The last commit before the rooms."""
CAMPAIGN = MEASURED / "make-test.md"
IDLE, BUSY = 5, 2
PACKAGES = ("steps", "checks", "fixtures", "reports")
BUSY_LOOP = ("timeout", "5400", "sh", "-c", "while :; do :; done")


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_runs() -> str:
    """`make test` from fresh clones: five times alone, twice beside two busy processes, one after the other without a red one.

    It takes hours. Runs that were made before count, of earlier commits too: what is looked for is a test that fails now and then.
    """
    for kind, wanted in (("idle", IDLE), ("busy", BUSY)):
        while sum(1 for row in _kept() if row[2] == kind) < wanted:
            assert _run_once(kind), f"red: see the last line of {CAMPAIGN}"
    kept = _kept()
    commits = len({row[1] for row in kept})
    times = {kind: [row[4] for row in kept if row[2] == kind] for kind in ("idle", "busy")}
    shown = ", ".join(f"{len(minutes)} {kind} ({'/'.join(minutes)} min)" for kind, minutes in times.items())
    return f"{shown}, none red, of {commits} commits"


def _kept() -> list[list[str]]:
    """The runs since the last red one, of whichever commits: when, commit, alone or beside others, how it ended, minutes."""
    if not CAMPAIGN.exists():
        return []
    rows = [
        [part.strip() for part in line.strip("| \n").split("|")]
        for line in CAMPAIGN.read_text().splitlines()
        if line.startswith("| 2")
    ]
    red = max((number for number, row in enumerate(rows, 1) if row[3] != "passed"), default=0)
    return rows[red:]


def _run_once(kind: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="gonogo-test-") as directory:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), directory], check=True)
        busy = [subprocess.Popen(BUSY_LOOP) for _ in range(2 if kind == "busy" else 0)]
        begun = time.monotonic()
        try:
            with Path(f"/tmp/make-test-{datetime.now(UTC):%H%M%S}.log").open("w") as log:
                done = subprocess.run(
                    ["make", "test"], cwd=directory, stdout=log, stderr=log, timeout=5400, check=False
                )
        finally:
            for process in busy:
                process.kill()
                process.wait()
    if not CAMPAIGN.exists():
        CAMPAIGN.write_text(
            "# `make test` from fresh clones\n\n| when (UTC) | commit | beside | ended | minutes |\n| --- | --- | --- | --- | ---: |\n"
        )
    ended = "passed" if done.returncode == 0 else "failed"
    with CAMPAIGN.open("a") as file:
        minutes = (time.monotonic() - begun) / 60
        file.write(f"| {datetime.now(UTC):%Y-%m-%d %H:%M} | {commit()} | {kind} | {ended} | {minutes:.0f} |\n")
    return done.returncode == 0


def demo() -> str:
    """The demonstration moves a plan with AAAA records, and every sentence of its sign-off is true of its evidence."""
    site = Site("house")
    try:
        figures = demonstration(site, WARM_MINUTES)
        directory = site.last_run.directory
    finally:
        site.down()
    plan = (directory / "plan.toml").read_text()
    assert 'type = "AAAA"' in plan, "the lab's plan has no AAAA record"
    wrong = signed_off.untrue(directory)
    assert not wrong, "; ".join(wrong)
    return f"{figures}; {signed_off.count(directory)} sentences of the sign-off hold"


def unit(*paths: str, timeout: float = 900) -> str:
    done = run([sys.executable, "-m", "pytest", "-q", *paths], timeout=timeout)
    assert done.code == 0, done.out[-3000:]
    return done.out.strip().splitlines()[-1]


def words() -> str:
    """Reports read fields, not words."""
    return unit("tests/unit/test_reports.py")


def rules() -> str:
    """A test fails for a repeated name, a write that is not declared, a test without its module, a wrong import."""
    return unit(
        *(
            f"tests/unit/{name}"
            for name in ("test_known_once.py", "steps/test_step.py", "test_mirror.py", "test_imports.py")
        )
    )


def secrets() -> str:
    """A poor secret is refused at the start; a run with a secret in its records goes on and back, and no file holds it."""
    return unit("tests/unit/fixtures/test_redaction.py", "tests/unit/fixtures/plan", "tests/unit/steps/engine/test_executor.py", "-k",
                "secret or redact or refused or reference")  # fmt: skip


def architecture() -> str:
    """The page and the picture name every room; the figures of the rooms."""
    unit("tests/unit/test_imports.py")
    from tests.unit.test_imports import KNOWS, known  # noqa: PLC0415 - only here

    arrows = sum(len(others) for others in known().values())

    def layer(name: str) -> int:
        return 1 + max((layer(other) for other in KNOWS[name]), default=0)

    return f"{arrows} arrows between {len(KNOWS)} rooms in {max(map(layer, KNOWS))} layers (before: 230, 53, 12)"


def lines() -> str:
    """Lines of the four packages before and after, shell files included, the application of the lab apart."""
    after = sum(_lines(path) for path in _files(ROOT))
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(
            ["git", "archive", BEFORE, *PACKAGES], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "x", "-C", directory], input=archive, check=True)
        before = sum(_lines(path) for path in _files(Path(directory)))
    figures = f"{before} before, {after} after"
    assert after <= before, figures
    return figures


def _files(root: Path) -> list[Path]:
    return [
        path for package in PACKAGES for path in (root / package).rglob("*")
        if path.is_file() and "smallpayroll" not in path.parts and re.search(r"\.(py|sh|lua|rb|pl|c)$|/(fstab-generator|installer)$", str(path))
    ]  # fmt: skip


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


ITEMS = (
    ("words: reports differ only in the words that were replaced", words),
    ("rules: repeated names, undeclared writes, tests without a module, imports", rules),
    ("secrets: refused at the start, in no file of a run", secrets),
    ("architecture: rooms, arrows, layers", architecture),
    ("lines: not more than before", lines),
    ("demo: AAAA records move, and the sign-off is true", demo),
    ("tests: make test 5 of 5 alone, 2 of 2 beside two busy processes", test_runs),
)

if __name__ == "__main__":
    main("prove-house", ITEMS, ())
