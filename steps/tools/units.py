"""Long work on a host: one named transient unit for each run and step, found again by whoever comes later."""

import logging
import re
from collections.abc import Callable, Sequence

from fixtures.connect.host import Host
from fixtures.run.places import UNITS
from fixtures.run.run import Run

log = logging.getLogger(__name__)


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
