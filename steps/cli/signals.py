"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was begun is noted, locks are freed, and the operator is told."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """Somebody asked this process to end."""

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)


@contextmanager
def ending_alike() -> Iterator[None]:
    """Raise `Stopped` for the first SIGTERM or SIGHUP; further ones do not disturb what is done about it.

    A process that was started to ignore a signal, as by nohup, goes on doing so. Only the main thread may call this.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    mine = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def stop(number: int, _: FrameType | None) -> None:
        for one in mine:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
