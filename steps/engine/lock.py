"""One executor a plan: a lock that the kernel frees when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.errors import Refused
from fixtures.run.evidence import now


class Locked(Refused):
    """Another executor works on this plan."""


@contextmanager
def plan_lock(runs: Path, plan_name: str, operator: str, why: str) -> Iterator[None]:
    """Hold the plan's lock; raises `Locked` saying who holds it, since when and for what."""
    runs.mkdir(parents=True, exist_ok=True)
    path = runs / f"{plan_name}.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Locked(
                f"the plan {plan_name}",
                expected="no other gonogo command at work on it",
                found=file.read().strip() or "another process, which has not written its name yet",
                remedy="wait for that process to end, or press Ctrl-C in its terminal; its lock ends with it",
            ) from None
        file.truncate(0)
        file.write(f"{operator}, {why}, since {now():%Y-%m-%dT%H:%M:%SZ}, process {os.getpid()}\n")
        file.flush()
        yield
