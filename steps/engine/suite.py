"""The process that has collected `checks/` for a run; each gate is a child that it forks."""

import hashlib
import logging
import multiprocessing
import os
import runpy
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from fixtures import environment
from fixtures.plan import Plan
from fixtures.policy.verdict import NEWS
from fixtures.redaction import Redacting, known_secrets
from fixtures.run.evidence import GateRequest
from fixtures.run.run import Run

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
CHECKS = ROOT / "checks"
SILENT_MINUTES = 15
"""A gate whose pytest prints nothing for this long is stopped; its verdict is could-not-verify."""

# Forked from a process that has loaded pytest and the clients it begins three times sooner than a new interpreter.
# testinfra is left out: pytest must load it itself, to rewrite its assertions.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["pytest", "boto3", "botocore.httpsession", "requests", "psycopg2.extras", "psycopg", "dns.resolver", "paramiko",
     "redis", "justhtml", "fixtures.plan"]
)  # fmt: skip


class Suite:
    """`checks/` as one process has collected it."""

    def __init__(
        self, plan: Plan, run: Run, receipt: Path, nonce: str, output: Path, replay: Path | None = None,
        own: Path | None = None,
    ) -> None:  # fmt: skip
        """Begin to collect; the receipt is to name every check, and `output` is what pytest prints.

        With the readings of an earlier gate (`replay`) those are judged, and nobody is asked. `own` is the run's copy of the
        plan's own checks.
        """
        # capture=sys: what a gate prints goes where its file descriptors lead, and those change at the fork.
        arguments = [
            str(CHECKS), "-q", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:logging",
            f"--plan={plan.path}", f"--run={run.directory}", f"--receipt={receipt}", f"--nonce={nonce}",
            *([f"--replay={replay}"] if replay else []), *([f"--own={own}"] if own else []),
        ]  # fmt: skip
        self.processor_seconds = 0.0
        """What the latest gate took of the processor, here, in seconds."""
        self._digest = _digest()
        self._answers, theirs = _SERVER.Pipe()
        self._process = _SERVER.Process(
            target=_collect, args=(arguments, clean_environment(), str(output), known_secrets, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def current(self) -> bool:
        """Whether the process lives, and the files of checks/ are those that it has collected."""
        return self._process.is_alive() and _digest() == self._digest

    def collected(self) -> str:
        """Wait until everything is collected: empty then, else how pytest ended."""
        try:
            self._answers.recv()
        except (EOFError, OSError):
            return self._ended()
        return ""

    def gate(self, request: GateRequest) -> str:
        """Have a gate run, and pass on what it reports of its progress: how its process ended."""
        request.log.touch()
        try:
            self._answers.send(tuple(request))
            child: int = self._answers.recv()
            self._watch(child, request.log)
            code, self.processor_seconds = self._answers.recv()
            return str(code)
        except (EOFError, OSError):
            return self._ended()

    def close(self) -> None:
        """End the process."""
        self._answers.close()
        self._process.join()

    def _watch(self, child: int, output: Path) -> None:
        """Pass on news until the child has ended; kill it when it has printed nothing for too long."""
        read, moved = 0, time.monotonic()
        while not self._answers.poll(0.5):
            size = output.stat().st_size
            if size != read:
                _pass_on(output, read)
                read, moved = size, time.monotonic()
            elif time.monotonic() - moved > SILENT_MINUTES * 60:
                with suppress(ProcessLookupError):  # it ended this moment
                    os.kill(child, signal.SIGKILL)
                with output.open("a", encoding="utf-8") as file:
                    file.write(f"\ngonogo stopped this gate: pytest had printed nothing for {SILENT_MINUTES} minutes\n")
                return
        _pass_on(output, read)

    def _ended(self) -> str:
        self._process.join()
        return f"{self._process.exitcode}, and so did the process that had collected the checks"


def clean_environment() -> dict[str, str]:
    """The operator's environment without whatever could narrow pytest's selection or slow its start."""
    dropped = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in environment.given().items() if name not in dropped}


def _digest() -> str:
    """What tells whether a file below checks/ was changed since it was collected."""
    found = hashlib.sha256()
    for path in sorted(CHECKS.rglob("*")):
        if path.suffix != ".pyc" and path.is_file():
            found.update(f"{path}\0".encode() + path.read_bytes())
    return found.hexdigest()


def _pass_on(path: Path, offset: int) -> None:
    """Pass on the lines of progress that checks printed into the log from this offset on."""
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(offset)
        for line in file:
            if line.startswith(NEWS):
                log.info("%s", line.removeprefix(NEWS).rstrip())


def _collect(
    arguments: list[str], environment: dict[str, str], output: str, hidden: dict[str, str | None], gates: Connection
) -> None:
    """The process itself: pytest over checks/, which forks a gate for each request that comes in."""
    with Path(output).open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    known_secrets.update(hidden)  # through a pipe: no argument and no variable holds them
    sys.stderr = Redacting(sys.stderr)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pytest", *arguments, f"--gates={gates.fileno()}"]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
