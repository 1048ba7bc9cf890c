"""The gate: all checks of some states, run by pytest in a process of its own, judged by what its receipt says."""

import hashlib
import logging
import multiprocessing
import os
import runpy
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fixtures.errors import CouldNotVerify, GonogoError
from fixtures.plan import Plan
from fixtures.plan.references import poor_secrets
from fixtures.policy.verdict import NEWS, expected_checks, judge
from fixtures.redaction import Redacting, as_state, from_state, known_secrets
from fixtures.run.evidence import Check, CheckResult, GateResult, Occasion, Receipt, Verdict, now
from fixtures.run.journal import CatalogueMade, GateJudged, WaiverUsed
from fixtures.run.run import Run, write_whole
from fixtures.states import expand
from steps.step import Step

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = "catalogue.json"
MINUTES = 15
"""A gate whose pytest prints nothing for this long is stopped; its verdict is could-not-verify."""


def clean_environment() -> dict[str, str]:
    """This process's environment without whatever could narrow pytest's selection or slow its start."""
    dropped = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def gate_arguments(plan: Path, run: Path, states: Sequence[str], receipt: Path, junit: Path, nonce: str) -> list[str]:
    """What pytest is given for a gate: what an operator would type, and where its evidence goes."""
    return [
        str(ROOT / "checks"), "-m", " or ".join(states),
        f"--plan={plan}", f"--run={run}", f"--receipt={receipt}", f"--nonce={nonce}",
        f"--junitxml={junit}", "-o", f"junit_suite_name={' or '.join(states)}", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
    ]  # fmt: skip


class Gates:
    """The gates of one run: the catalogue of what is expected, and a number for each gate."""

    def __init__(self, plan: Plan, run: Run) -> None:
        self.plan = plan
        self.run = run
        self.catalogue: dict[str, Check] = {}
        self.catalogue_hash = ""
        poor_secrets(plan)  # from here on all of the plan's are known, to the gates' processes too

    def collect(self) -> None:
        """Collect the catalogue anew (at the start, and after the survey, which adds tables and gems).

        Raises `GonogoError` when the checks cannot be collected.
        """
        receipt = self.run.gates / "catalogue.receipt.json"
        nonce = secrets.token_hex(8)
        done = self._pytest(
            [
                str(ROOT / "checks"), "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
                f"--plan={self.plan.path}", f"--run={self.run.directory}", f"--receipt={receipt}", f"--nonce={nonce}",
            ],
            self.run.gates / "catalogue.log",
        )  # fmt: skip
        found = read_receipt(receipt, nonce)
        if found is None or done not in (0, 1):
            raise GonogoError(
                "the catalogue of checks",
                expected="pytest to collect everything under checks/",
                found=f"pytest ended with {done}: {last_words(self.run.gates / 'catalogue.log')}",
                remedy=f"mend what it names; all of it is in {self.run.gates / 'catalogue.log'}",
            )
        receipt.unlink()
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "checks").rglob("check_*.py")}
        left_out = sorted(files - set(found.files))
        if left_out:
            raise GonogoError(
                "the catalogue of checks",
                expected="every file of checks/",
                found=f"without {', '.join(left_out)}",
                remedy="see pytest's options in pyproject.toml: none may leave a file out",
            )
        self.catalogue = dict(sorted(found.collected.items()))
        text = as_state(self.catalogue, indent=1)
        self.catalogue_hash = hashlib.sha256(text.encode()).hexdigest()
        write_whole(self.run.directory / CATALOGUE, text)
        self.run.journal(CatalogueMade(checks=len(self.catalogue), sha256=self.catalogue_hash))

    def before(self, step: Step) -> tuple[GateResult | None, GateResult]:
        """Run, in one process, the gate of what a step needs (None where it needs nothing) and that of what it gives.

        The second one is the evidence that the step had something to do: it need not be go.
        """
        gates = [(Occasion.NEEDED, step.needs)] if step.needs else []
        *first, second = self._run([*gates, (Occasion.GIVEN_BEFORE, step.gives)], step.name)
        return (first[0] if first else None), second

    def after(self, step: Step) -> GateResult:
        """Run the gate of what a step gave."""
        return self._run([(Occasion.AFTER, step.gives)], step.name)[0]

    def ask(self, states: Sequence[str]) -> GateResult:
        """Run the gate of some states beside the ordered steps."""
        return self._run([(Occasion.BY_HAND, states)], "")[0]

    def _run(self, gates: Sequence[tuple[Occasion, Sequence[str]]], step: str) -> list[GateResult]:
        """One process for all these gates; each is judged, kept and journalled by itself."""
        number = 1 + sum(1 for _ in self.run.gates.glob("[0-9]*.xml"))
        junit = self.run.gates / f"{number:04d}-{_label(gates[0][1])}.xml"
        receipt_path = junit.with_suffix(".receipt.json")
        nonce = secrets.token_hex(8)
        started = now()
        together = list(dict.fromkeys(state for _, states in gates for state in states))
        command = gate_arguments(self.plan.path, self.run.directory, together, receipt_path, junit, nonce)
        code = self._pytest(command, junit.with_suffix(".log"))
        receipt = read_receipt(receipt_path, nonce)
        receipt_path.unlink(missing_ok=True)
        if not junit.exists():
            junit.write_text('<testsuites><testsuite name="no report" tests="0"/></testsuites>\n', encoding="utf-8")
        ended = f"{code}: {last_words(junit.with_suffix('.log'))}"
        return [self._keep(number, occasion, step, list(states), receipt, ended, started) for occasion, states in gates]

    def _keep(
        self, number: int, occasion: Occasion, step: str, states: list[str], receipt: Receipt | None, ended: str,
        started: datetime,
    ) -> GateResult:  # fmt: skip
        plain = list(dict.fromkeys(name for state in states for name in expand(state)))
        expected = expected_checks(self.catalogue, plain)
        results: list[CheckResult] = []
        if receipt is None:
            verdict, reason = Verdict.COULD_NOT_VERIFY, f"pytest left no receipt and ended with {ended}"
        else:
            results = [result for result in receipt.results if result.id in expected or set(result.states) & set(plain)]
            verdict, reason = judge(expected, results, plain, self.catalogue)
        judged = GateJudged(
            number=number, states=states, occasion=occasion, step=step, verdict=verdict, reason=reason
        )  # fmt: skip
        result = GateResult(
            **judged.model_dump(exclude={"kind", "at"}),
            covers=plain,
            started=started,
            finished=now(),
            results=results,
            catalogue=self.catalogue_hash,
        )
        # Both gates that are asked ahead of a step come from one process and bear one number.
        ahead = "-before" if occasion is Occasion.GIVEN_BEFORE else ""
        path = self.run.gates / f"{number:04d}-{_label(states)}{ahead}.json"
        write_whole(path, as_state(result, indent=1) + "\n")
        self.run.journal(judged)
        # Ahead of its step a claim need not hold: there no waiver lets anything pass.
        for used in results if occasion is not Occasion.GIVEN_BEFORE else []:
            if used.waiver:
                self.run.journal(WaiverUsed(gate=number, check=used.id, waiver=used.waiver))
        return result

    def _pytest(self, arguments: list[str], output: Path) -> int:
        process = _SERVER.Process(target=_gate, args=(arguments, clean_environment(), str(output), known_secrets))
        process.start()
        read, moved = 0, time.monotonic()
        while process.is_alive() and time.monotonic() - moved < MINUTES * 60:
            process.join(1)
            size = output.stat().st_size if output.exists() else 0
            if size != read:
                _pass_on(output, read)
                read, moved = size, time.monotonic()
        if process.is_alive():
            process.kill()
            process.join()
            with output.open("a", encoding="utf-8") as file:
                file.write(f"\ngonogo stopped this gate: pytest had printed nothing for {MINUTES} minutes\n")
        return -1 if process.exitcode is None else process.exitcode


_CATALOGUE = TypeAdapter(dict[str, Check])


def read_catalogue(run: Run) -> dict[str, Check]:
    """The catalogue that the run keeps; raises `CouldNotVerify` where it holds none."""
    path = run.directory / CATALOGUE
    try:
        return _CATALOGUE.validate_json(from_state(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError) as error:
        raise CouldNotVerify(
            str(path),
            expected="the checks, as they were collected",
            found=type(error).__name__,
            remedy="run the same command again: every start collects the checks anew",
        ) from None


def _label(states: Sequence[str]) -> str:
    """The part of a gate's file names that follows its number."""
    return "+".join(states)[:80]


# A process forked from one that has loaded pytest and the clients begins three times sooner than a new interpreter.
# testinfra is left out: pytest must load it itself, to rewrite its assertions.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["pytest", "boto3", "botocore.httpsession", "requests", "psycopg2.extras", "dns.resolver", "paramiko",
     "redis", "justhtml", "fixtures.plan"]
)  # fmt: skip


def _pass_on(path: Path, offset: int) -> None:
    """Pass on the lines of progress that checks printed into the log from this offset on."""
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(offset)
        for line in file:
            if line.startswith(NEWS):
                log.info("%s", line.removeprefix(NEWS).rstrip())


def _gate(arguments: list[str], environment: dict[str, str], log: str, hidden: dict[str, str | None]) -> None:
    """The gate's own process: `python -m pytest ARGUMENTS`, everything it prints in the log."""
    with Path(log).open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    known_secrets.update(hidden)  # through a pipe: no argument and no variable holds them
    sys.stderr = Redacting(sys.stderr)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pytest", *arguments]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


def last_words(log: Path, most: int = 600) -> str:
    """The end of what pytest printed, which names the reason when there is no verdict."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").strip()[-most:] or "it printed nothing"
    except OSError:
        return "it printed nothing"


def read_receipt(path: Path, nonce: str) -> Receipt | None:
    """The receipt of this very gate, or None: absent, malformed, or another gate's."""
    try:
        receipt = Receipt.model_validate_json(from_state(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError):
        return None
    return receipt if receipt.nonce == nonce else None
