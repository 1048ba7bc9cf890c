"""What the operator sees while a run goes on: a line a step, never silent for long, every byte also in the log."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from fixtures.redaction import Redacting, redact

QUIET_SECONDS = 8
"""How often, in seconds, the running time of what is under way is printed where there is no spinner, and kept in the log."""


class Progress:
    """Lines for people, on a terminal with a spinner and plainly elsewhere; a copy goes to `log`."""

    def __init__(self, log: Path | None = None, console: Console | None = None) -> None:
        self.console = console or _console()
        self.log = log
        self._status: Status | None = None

    def say(self, text: str, style: str = "") -> None:
        """Keep a line and print it: whatever the terminal does, it is in the log."""
        text = redact(text)
        self._keep(text)
        self.console.print(escape(text), style=style or None)

    def _keep(self, text: str) -> None:
        if self.log:
            # A full disk stops what must be journalled; it keeps nobody from reading who serves users, and how to go back.
            with suppress(OSError), self.log.open("a", encoding="utf-8") as file:
                for line in text.splitlines() or [""]:
                    file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")

    def listen(self) -> None:
        """Show what steps log while they work, such as a fingerprint, or what they wait for."""
        logger = logging.getLogger("steps")
        logger.setLevel(logging.INFO)
        logger.addHandler(_LogToProgress(self))

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that something is under way, and for how long."""
        text = redact(text)
        if self.console.is_terminal:
            with (
                self.console.status(escape(text)) as status,
                _ticking(lambda s: _update(status, text, s), 1),
                _ticking(lambda s: self._keep(f"      ... {text} ({s:.0f} s)"), QUIET_SECONDS),
            ):
                self._status = status
                try:
                    yield
                finally:
                    self._status = None
        else:
            with _ticking(lambda s: self.say(f"      ... {text} ({s:.0f} s)"), QUIET_SECONDS):
                yield

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Keep the line free for a question, also in the middle of what is under way."""
        status = self._status
        if status is None:
            yield
            return
        status.stop()
        try:
            yield
        finally:
            status.start()


def _console() -> Console:
    """The terminal, or wherever this process prints: the spinner moves the cursor, which is for nothing else to do."""
    stream: Any = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # what another one's spinner stands before
    file: Any = stream.drawn() if isinstance(stream, Redacting) else None
    return Console(file=file, highlight=False, soft_wrap=True)


class _LogToProgress(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self.progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self.progress.say(f"      {record.getMessage()}", "dim")


def _update(status: Status, text: str, seconds: float) -> None:
    status.update(f"{escape(text)} [dim]{seconds:.0f} s[/dim]")


@contextmanager
def _ticking(tick: Callable[[float], None], every: float) -> Iterator[None]:
    done = threading.Event()
    begun = time.monotonic()

    def run() -> None:
        while not done.wait(every):
            tick(time.monotonic() - begun)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
