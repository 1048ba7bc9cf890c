"""The run's pages, made by `python -m reports` in a process of its own: a report that fails never stops a migration."""

import subprocess
import sys

from fixtures.run import Run
from steps.gate import ROOT


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
        if self._making is not None:
            self._making.wait()
        self._making = None
        return self._start("--ended").wait() == 0

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        with (self.run.directory / "report.log").open("w", encoding="utf-8") as log:
            command = [sys.executable, "-m", "reports", str(self.run.directory), *options]
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
