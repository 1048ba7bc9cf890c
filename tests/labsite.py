"""A lab with a migration in it, as tests and proofs use it: commands as an operator types them, and looks behind them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fixtures.connect.nameservers import Dns
from fixtures.connect.web import web_of
from fixtures.lab import control, faults
from fixtures.plan import load_plan
from fixtures.run.evidence import GateResult
from fixtures.run.journal import Entry
from fixtures.run.run import Run, runs_of

ROOT = Path(__file__).resolve().parents[1]
REHEARSED = "rehearsed"
"""The lab that tests restore from one snapshot, one after the other: walking the way to it takes minutes."""
TTL = 20
"""Seconds: what production's records have in labs that go through a cutover. Nobody waits an hour for an old TTL."""
CARD = {
    "dependencies_installed": "gems installed",
    "data_on_mnt": "PostgreSQL's data on /mnt",
    "passwords_required": "password authentication",
    "web_configured": "nginx configured",
    "rehearsed": "nginx serving static files and proxying",
    "data_copied": "row counts matching production",
    "ttl_lowered": "DNS TTL <= 300 on every authoritative server",
}
"""The states behind the list on the design card, and what each stands for there."""


def environment(**extra: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GONOGO_PLAN"))} | extra


@dataclass
class Done:
    """A command that ended: its exit code, all it printed, and how long it took."""

    code: int
    out: str
    seconds: float


def run(command: list[str], timeout: float = 1500, stdin: int = subprocess.DEVNULL, **extra: str) -> Done:
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**extra), stdin=stdin, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, time.monotonic() - begun)


class Site:
    """One lab by name, and the operator before it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def plan_path(self) -> Path:
        return control.lab_status(self.name).directory / "plan.toml"

    def gonogo(self, *arguments: str, plan: Path | None = None, **extra: str) -> Done:
        command = [sys.executable, "-m", "steps", arguments[0]]
        if arguments[0] != "lab":
            command += ["--plan", str(plan or self.plan_path)]
        return run([*command, *arguments[1:]], **extra)

    def answering(self, word: str, *arguments: str) -> Done:
        """A command in a terminal in which the answer to its question was typed ahead."""
        ours, theirs = os.openpty()
        try:
            os.write(ours, f"{word}\n".encode())
            command = [sys.executable, "-m", "steps", arguments[0], "--plan", str(self.plan_path), *arguments[1:]]
            return run(command, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    def checks(self, expression: str, *arguments: str, plan: Path | None = None, **extra: str) -> Done:
        command = [sys.executable, "-m", "pytest", "checks/", "-m", expression, "--plan", str(plan or self.plan_path)]
        return run([*command, *arguments], **extra)

    def up(
        self, *, rehearsed: bool, ttl: int | None = TTL, variant: str = "first", production: str = "smallpayroll"
    ) -> Done:
        more = [
            "--production",
            production,
            "--variant",
            variant,
            *(["--rehearsed"] if rehearsed else []),
            *([f"--ttl={ttl}"] if ttl else []),
        ]
        done = self.gonogo("lab", "up", "--name", self.name, *more)
        assert done.code == 0, done.out
        return done

    def down(self) -> None:
        control.lab_down(self.name, progress=lambda _: None)

    def on(self, host: str, script: str) -> str:
        """Run a script as root on a host of the lab (`target` is the instance); the look behind the scenes."""
        name = faults.instance(self.name) if host == "target" else host
        code, out, errors = control.lab_call(self.name, "run", name, ["bash", "-ec", script])
        assert code == 0, errors.decode()
        return str(out.decode())

    def sql(self, host: str, query: str) -> str:
        return self.on(
            host, f"cd /; runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 payroll_prod <<'E'\n{query}\nE\n"
        ).strip()

    # --- the run's evidence -------------------------------------------------------------------------------------------

    @property
    def last_run(self) -> Run:
        return runs_of(load_plan(self.plan_path), ROOT / "runs")[-1]

    def journal(self) -> list[Entry]:
        return list(self.last_run.entries())

    def gates(self) -> list[GateResult]:
        files = sorted(self.last_run.gates.glob("[0-9]*.json"))
        return [GateResult.model_validate_json(f.read_text()) for f in files]

    # --- killing the executor -----------------------------------------------------------------------------------------

    def begin(
        self, moment: Callable[[list[Entry]], bool], *, after: float = 0, limit: float = 600
    ) -> "subprocess.Popen[str]":
        """`gonogo run --yes` in a group of its own, `after` s after the journal satisfied `moment`, or ended before."""
        process = subprocess.Popen(
            [sys.executable, "-m", "steps", "run", "--yes", "--plan", str(self.plan_path)], cwd=ROOT, env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=_hear_signals,  # noqa: PLW1509 - nothing here has threads yet
        )  # fmt: skip
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and process.poll() is None:
            runs = runs_of(load_plan(self.plan_path), ROOT / "runs")
            if runs and moment(_entries(runs[-1])):
                time.sleep(after)
                break
            time.sleep(0.05)
        return process

    def killed_when(
        self, moment: Callable[[list[Entry]], bool], *, after: float = 0, limit: float = 600,
        by: signal.Signals = signal.SIGKILL,
    ) -> str:  # fmt: skip
        """Send `gonogo run --yes` (and its gate) a signal once the journal satisfies `moment`, `after` s later: what it printed.

        Raises AssertionError where it ended before.
        """
        process = self.begin(moment, after=after, limit=limit)
        alive = process.poll() is None
        if alive:
            stop_group(process, by)
        out = process.communicate(timeout=limit)[0]
        assert alive, f"the executor ended before it could be stopped:\n{out}"
        return str(out)


def _hear_signals() -> None:
    """Hear the signals that whoever runs the tests may ignore, as in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def stop_group(process: subprocess.Popen[str], by: signal.Signals) -> None:
    """Send a signal to the group that start_new_session made: the executor and its gate."""
    os.killpg(process.pid, by)


def _entries(run_: Run) -> list[Entry]:
    try:
        return list(run_.entries())
    except OSError:
        return []


def started(step: str) -> Callable[[list[Entry]], bool]:
    return lambda entries: any(e.kind == "step_started" and e.step == step for e in entries)


def finished(step: str) -> Callable[[list[Entry]], bool]:
    return lambda entries: any(e.kind in ("step_finished", "already_true") and e.step == step for e in entries)


def served_through_public_dns(site: Site) -> dict[str, str]:
    """What a user gets who asks the lab's resolver for the name: the address, and the server that answered."""
    plan = load_plan(site.plan_path)
    resolver = plan.dns.resolvers[0].address
    answer = Dns(plan.dns).ask(plan.dns.resolvers[0], plan.web.hostnames[0], "A")
    page = web_of(plan).get(plan.health_page, answer.values[0])
    return {"resolver": str(resolver), "address": answer.values[0], "server": json.loads(page.text)["server"]}
