"""`python -m tests.prove.killed PLACE FILE COMMAND...`: gonogo itself, which SIGKILLs its own group at one act.

An act is what may change something outside of this machine: a command to a host that may be written to, a statement of
`Database.execute`, an update of a zone, a call of the cloud that does not only look. They are counted anew in each step. A
reading over the same connections is none: what asks for facts, and testinfra.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import botocore.client
import dns.query

from fixtures.connect.database import Database
from fixtures.connect.shell import Shell
from fixtures.run.run import Run

BACK_OUT = "back-out"
"""The step, as it were, of what a back-out does."""
MOMENTS: Sequence[Literal["before", "in", "after"]] = ("before", "in", "after")
SLOWEST = 0.05
"""Seconds within which a process that is killed in an act is killed after it began it."""

_READERS = ("fixtures.facts.", "fixtures.sameness.", "testinfra.")
_READING = {"read_file", "read_bytes", "unit_result", "lock_holder", "drain", "_journal", "succeeds"}
_LOOKS = ("Describe", "Get", "List", "Head")


@dataclass(frozen=True)
class Place:
    """The first act to die at: the one with this number in this step, or the first one of a later of these steps."""

    steps: tuple[str, ...]
    step: str
    act: int
    seed: int

    @property
    def moment(self) -> Literal["before", "in", "after"]:
        """Whether the process dies before the act, in it, or once it was answered."""
        return random.Random(self.seed).choice(MOMENTS)


@dataclass(frozen=True)
class Died:
    """The act at which a process has killed itself."""

    step: str
    act: int
    what: str


class _Killer:
    def __init__(self, place: Place, file: Path) -> None:
        self.place, self.file = place, file
        self.step, self.acts = "", 0
        self._lock = threading.Lock()

    def begins(self, step: str) -> None:
        self.step, self.acts = step, 0

    def around(self, what: str, act: Callable[[], Any]) -> Any:
        """Do an act, and die at it where it is the one."""
        with self._lock:
            self.acts += 1
            here = self._is_due()
        if not here:
            return act()
        self.file.write_text(dumps(asdict(Died(self.step, self.acts, what))))
        moment = self.place.moment
        if moment == "in":
            threading.Timer(random.Random(self.place.seed).uniform(0, SLOWEST), _die).start()
        if moment != "before":
            act()
        _die()
        return None

    def _is_due(self) -> bool:
        steps = self.place.steps
        if self.step not in steps:
            return False
        now, due = steps.index(self.step), steps.index(self.place.step)
        return now > due or (now == due and self.acts >= self.place.act)


def _die() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _reads() -> bool:
    """Whether what is asked just now only reads, by who asks for it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_READERS) or frame.f_code.co_name in _READING:
            return True
        frame = frame.f_back
    return False


def arm(place: Place, file: Path) -> None:
    """Have this process kill its group at the place; what it died at then stands in the file."""
    killer = _Killer(place, file)
    begin, execute, note = Shell.begin, Database.execute, Run.journal
    tcp, call = dns.query.tcp, botocore.client.BaseClient._make_api_call

    def killing_begin(self: Shell, command: str, **options: Any) -> Any:
        if (self._read_only and not options.get("writable")) or _reads():
            return begin(self, command, **options)
        return killer.around(
            f"on {self._connection.host}: {command}", lambda: _answered(begin(self, command, **options))
        )

    def killing_execute(self: Database, statement: Any, *rest: Any, **options: Any) -> None:
        killer.around(f"in {self.dbname}: {statement}", lambda: execute(self, statement, *rest, **options))

    def killing_tcp(message: Any, *rest: Any, **options: Any) -> Any:
        return killer.around("an update of the zone", lambda: tcp(message, *rest, **options))

    def killing_call(self: Any, operation: str, arguments: Any) -> Any:
        if operation.startswith(_LOOKS):
            return call(self, operation, arguments)
        return killer.around(f"AWS {operation}", lambda: call(self, operation, arguments))

    def noting(self: Run, entry: Any) -> None:
        note(self, entry)
        if entry.kind == "step_started":
            killer.begins(entry.step)

    Shell.begin, Database.execute, Run.journal = killing_begin, killing_execute, noting  # type: ignore[method-assign,assignment]
    dns.query.tcp = killing_tcp
    botocore.client.BaseClient._make_api_call = killing_call
    if sys.argv[1] == BACK_OUT:
        killer.begins(BACK_OUT)


def _answered(future: Any) -> Any:
    future.exception()
    return future


if __name__ == "__main__":  # the gates' fork server loads this module again under another name
    from steps.cli.cli import main

    asked = loads(sys.argv[1])
    where, kept = Place(tuple(asked.pop("steps")), **asked), Path(sys.argv[2])
    sys.argv[:3] = ["gonogo"]
    arm(where, kept)
    main()
