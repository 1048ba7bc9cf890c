"""The run's pages, made by `python -m reports` in a process of its own: a report that fails never stops a migration."""

import subprocess
import sys

from fixtures.run.run import Run
from steps.engine.suite import ROOT

SECONDS = 120
"""Making the pages may take this long."""


class Pages:
    """Keeps the pages of one run up to date."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._making: subprocess.Popen[bytes] | None = None

    def refresh(self) -> None:
        """Make the pages anew in the background; one that is still being made is left to finish."""
        if self._making is None or self._making.poll() is not None:
            self._making = self._start()

    def finish(self) -> bool:
        """Make the pages of a run on which nobody works any more, and wait; whether that worked (if not: `report.log`)."""
        _end(self._making)
        self._making = None
        return _end(self._start("--ended")) == 0

    def _start(self, *options: str) -> subprocess.Popen[bytes] | None:
        command = [sys.executable, "-m", "reports", str(self.run.directory), *options]
        try:
            with (self.run.directory / "report.log").open("w", encoding="utf-8") as log:
                return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError:
            return None


def _end(making: subprocess.Popen[bytes] | None) -> int | None:
    """Wait for a page, for so long at most; its exit code, or None where there is none."""
    if making is None:
        return None
    try:
        return making.wait(SECONDS)
    except subprocess.TimeoutExpired:
        making.kill()
        making.wait()
        return None
