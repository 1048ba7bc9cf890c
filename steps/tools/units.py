"""Long work on a host: one named transient unit for each run and step, found again by whoever comes later."""

import logging
import re
import time
from collections.abc import Callable, Sequence

from fixtures.connect.host import Host
from fixtures.errors import GonogoError
from fixtures.run.places import UNITS
from fixtures.run.run import Run

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two lines about a copy that goes on."""
# $1 a directory; the free bytes of its file system, the last word that is printed.
_FREE = 'df --block-size=1 --output=avail -- "$1"'


def unit_name(run: Run, work: str) -> str:
    """The unit's name: run and step."""
    return f"{_prefix(run.name)}-{_plain(work)}.service"


def _prefix(run: str) -> str:
    return f"{UNITS}{_plain(run)}"


def _plain(name: str) -> str:
    return re.sub("[^A-Za-z0-9_.-]", "-", name)


def running_units(host: Host, run: str) -> list[str]:
    """Units of a run, by its name, that are still at work on a host."""
    shown = host.check(["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{_prefix(run)}-*.service"])
    found = [line.split() for line in shown.splitlines() if line.strip()]
    # Those that ended stay known: see `Host.start_unit`.
    return [unit for unit, _, active, state, *_ in found if active not in ("inactive", "failed") and state != "exited"]


class Arriving:
    """Says every few seconds how fast a copy's target fills, and how much room is left there; called while the copy is waited for."""

    def __init__(self, target: Host, directory: str, what: str) -> None:
        self._target, self._directory, self._what = target, directory, what
        self._begun = self._said = time.monotonic()
        self._first: int | None = None

    def __call__(self) -> None:
        """Say it where it is time."""
        if time.monotonic() - self._said < EVERY:
            return
        self._said = time.monotonic()
        try:
            free = int(self._target.check(["sh", "-c", _FREE, "free", self._directory], timeout=EVERY).split()[-1])
        except (GonogoError, ValueError, IndexError) as error:
            log.info("copying %s: the target does not say how much room it has left: %s", self._what, error)
            return
        self._first = self._first or free
        seconds = self._said - self._begun
        arrived = max(0, self._first - free) / 1e6
        log.info(
            "copying %s for %.0f s: %.0f MB more on the target's disk, %.1f MB/s; %.0f MB are free there",
            self._what, seconds, arrived, arrived / max(seconds, 1), free / 1e6,
        )  # fmt: skip


def run_unit(
    host: Host,
    run: Run,
    work: str,
    command: Sequence[str] | str,
    timeout: float,
    each_look: Callable[[], None] | None = None,
) -> None:
    """Run a command, or a bash script, as the unit of `work` and wait; one that still runs is waited for instead.

    `timeout` in seconds. Raises `StepFailed` with the unit's last words.
    """
    unit = unit_name(run, work)
    if host.unit_result(unit).state != "running":
        host.start_unit(unit, command)
    host.wait_unit(unit, timeout, progress=lambda line: log.info("%s: %s", work, line), each_look=each_look)
    host.stop_unit(unit)
