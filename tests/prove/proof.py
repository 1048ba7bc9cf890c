"""A proof: named items, each a function that returns its figure or raises; one line each, and a last line that counts."""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.labsite import ROOT, Site

MEASURED = ROOT / "docs" / "measured"

Item = tuple[str, Callable[[], str]]


def prove(issue: str, items: Sequence[Item], arguments: Sequence[str]) -> int:
    """Prove every item (or those whose names are given), print a line each, and append to docs/measured/."""
    chosen = [item for item in items if not arguments or item[0].split(":")[0] in arguments]
    passed, lines = 0, []
    for name, work in chosen:
        begun = time.monotonic()
        try:
            figure, verdict = work(), "passed"
            passed += 1
        except Exception as error:
            traceback.print_exc()
            figure, verdict = (
                str(error).strip().splitlines()[-1][:200] if str(error) else type(error).__name__,
                "FAILED",
            )
        line = f"{verdict:6}  {name}  [{time.monotonic() - begun:.0f} s]  {figure}"
        print(line, flush=True)  # noqa: T201 - the proof's output
        lines.append(line)
    print(f"{passed} passed, {len(chosen) - passed} failed")  # noqa: T201
    keep(issue, lines)
    return 0 if passed == len(chosen) else 1


def keep(issue: str, lines: Sequence[str]) -> None:
    """Append what was measured, with date, commit and the machine's size."""
    MEASURED.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    machine = {"cores": _cores(), "memory_gib": _memory()}
    with (MEASURED / f"{issue}.md").open("a", encoding="utf-8") as file:
        file.write(f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit.stdout.strip()}, {json.dumps(machine)}\n\n")
        file.writelines(f"    {line}\n" for line in lines)


def _cores() -> int:
    return len(Path("/proc/cpuinfo").read_text().split("processor\t")) - 1


def _memory() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) // 2**20


def main(issue: str, items: Sequence[Item], labs: Sequence[str]) -> None:
    """Enter as a script; afterwards the labs that the items left up are taken down."""
    os.chdir(ROOT)
    try:
        sys.exit(prove(issue, items, sys.argv[1:]))
    finally:
        for name in labs:
            Site(name).down()
