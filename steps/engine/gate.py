"""The gate: all checks of some states, run by pytest in a process of its own, judged by what its receipt says."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fixtures.errors import CouldNotVerify, GonogoError
from fixtures.plan import Plan
from fixtures.plan.references import poor_secrets
from fixtures.policy.verdict import expected_checks, judge
from fixtures.redaction import as_state, from_state
from fixtures.run.evidence import (
    CATALOGUE,
    PASS,
    Check,
    CheckResult,
    GateRequest,
    GateResult,
    Occasion,
    Receipt,
    Verdict,
    now,
)
from fixtures.run.journal import CatalogueMade, GateJudged, WaiverUsed
from fixtures.run.own import OwnChecks, is_check_file, keep_own, kept_own, own_directory, own_id, read_own
from fixtures.run.run import Run, write_whole
from fixtures.states import expand
from steps.engine.suite import CHECKS, ROOT, Suite
from steps.step import Step

_NO_REPORT = '<testsuites><testsuite name="no report" tests="0"/></testsuites>\n'
_BEFORE = {Occasion.NEEDED: "-needed", Occasion.GIVEN_BEFORE: "-before"}
"""What tells the results apart that one process left: what a step gave may be what the next one needs."""


@dataclass(frozen=True)
class _Asked:
    """A process that ran the checks of one or several gates: what it left, and when."""

    number: int
    receipt: Receipt | None
    without: str
    """Why there is no receipt, where there is none."""
    started: datetime
    finished: datetime
    own: str = ""


class Gates:
    """The gates of one run: the catalogue of what is expected, and a number for each gate.

    With the readings of an earlier gate (`replay`) those are judged instead of hosts; own checks that are not here any more
    are then those of the copy that it was judged by (`kept`).
    """

    def __init__(self, plan: Plan, run: Run, replay: Path | None = None, kept: Path | None = None) -> None:
        self.replay = replay
        self.kept = kept
        self.plan = plan
        self.run = run
        self.catalogue: dict[str, Check] = {}
        self.catalogue_hash = ""
        self.processor_seconds: list[float] = []
        """What each gate took of this machine's processor: `make prove-gate` looks at it."""
        self._suite: Suite | None = None
        self._own: OwnChecks | None = None
        self._ahead: tuple[str, _Asked | None] = ("", None)
        poor_secrets(plan)  # from here on all of the plan's are known, to the gates' processes too

    def collect(self) -> None:
        """Collect the catalogue anew (at the start, and after the survey, which adds tables and dependencies).

        Raises `CouldNotVerify` when the checks cannot be collected.
        """
        self.catalogue = {}
        self._collect(self._read_own())

    def _read_own(self) -> OwnChecks | None:
        """The own checks as they are now; where an earlier gate is judged again, and they are gone, as they were then."""
        directory = own_directory(self.plan)
        if directory is None or directory.is_dir() or self.kept is None or not self.kept.is_dir():
            return read_own(self.plan)
        return kept_own(self.kept)

    def _collect(self, own: OwnChecks | None) -> Suite:
        """Have a new process collect the checks, and add them to the catalogue: one that is gone is missed, not forgotten."""
        receipt = self.run.gates / "catalogue.receipt.json"
        log = self.run.gates / "catalogue.log"
        nonce = secrets.token_hex(8)
        self.close()
        copy = keep_own(self.run, own) if own else None
        self._own = own
        self._suite = suite = Suite(self.plan, self.run, receipt, nonce, log, self.replay, copy)
        ended = suite.collected()
        found = read_receipt(receipt, nonce)
        if ended or found is None:
            raise CouldNotVerify(
                "the catalogue of checks",
                expected="pytest to collect everything under checks/",
                found=f"pytest ended with {ended}: {last_words(log)}",
                remedy=f"mend what it names; all of it is in {log}",
            )
        receipt.unlink()
        files = {path.relative_to(ROOT).as_posix() for path in CHECKS.rglob("check_*.py")}
        files |= {own_id(name) for name in (own.files if own else ()) if is_check_file(name)}
        left_out = sorted(files - set(found.files))
        if left_out:
            raise CouldNotVerify(
                "the catalogue of checks",
                expected="every file of checks/ and of own.checks",
                found=f"without {', '.join(left_out)}",
                remedy="see pytest's options in pyproject.toml: none may leave a file out",
            )
        self.catalogue = dict(sorted({**self.catalogue, **found.collected}.items()))
        text = as_state(self.catalogue, indent=1)
        self.catalogue_hash = hashlib.sha256(text.encode()).hexdigest()
        write_whole(self.run.directory / CATALOGUE, text)
        made = CatalogueMade(checks=len(self.catalogue), sha256=self.catalogue_hash, own=own.sha256 if own else "")
        self.run.journal(made)
        return suite

    def before(self, step: Step, needs: Sequence[str]) -> tuple[GateResult | None, GateResult]:
        """Judge the gate of what a step needs (None where it needs nothing) and that of what it gives, asked in one process.

        The second one is the evidence that the step had something to do: it need not be go. The process that judged the step
        before this one was asked for both already.
        """
        follower, asked = self._ahead
        if asked is None or follower != step.name:
            asked = self._ask([*needs, *step.gives])
        self._ahead = ("", None)
        first = self._keep(asked, Occasion.NEEDED, step.name, list(needs)) if needs else None
        return first, self._keep(asked, Occasion.GIVEN_BEFORE, step.name, list(step.gives))

    def after(self, step: Step, following: Step | None = None) -> GateResult:
        """Run the gate of what a step gave; where it is go, what the following step's gates want to know is known too.

        Between the two nothing is changed: they are one process, and judge the same answers.
        """
        asked = self._ask(
            [*step.gives, *(following.needs if following else ()), *(following.gives if following else ())]
        )
        result = self._keep(asked, Occasion.AFTER, step.name, list(step.gives))
        if following and result.verdict in PASS:
            self._ahead = (following.name, asked)
        return result

    def ask(self, states: Sequence[str]) -> GateResult:
        """Run the gate of some states beside the ordered steps."""
        return self._keep(self._ask(states), Occasion.BY_HAND, "", list(states))

    def close(self) -> None:
        """End the process that has collected the checks; it would wait for gates until this process ends."""
        if self._suite is not None:
            self._suite.close()
            self._suite = None

    def _ask(self, states: Sequence[str]) -> _Asked:
        """Have one process run the checks of all these states."""
        number = 1 + sum(1 for _ in self.run.gates.glob("[0-9]*.xml"))
        together = list(dict.fromkeys(states))
        junit = self.run.gates / f"{number:04d}-{_label(together)}.xml"
        receipt_path = junit.with_suffix(".receipt.json")
        nonce = secrets.token_hex(8)
        started = now()
        log = junit.with_suffix(".log")
        try:
            own = self._read_own()
            suite = self._suite if self._suite and self._suite.current and own == self._own else self._collect(own)
        except GonogoError as error:  # a file of checks was edited since the run began
            junit.write_text(_NO_REPORT, encoding="utf-8")
            problem = f"{error.subject}: expected {error.expected}, found {error.found}; {error.remedy}"
            return _Asked(number, None, f"the checks cannot be collected any more: {problem}", started, now())
        ended = suite.gate(GateRequest(together, receipt_path, nonce, junit, log, junit.with_suffix(".readings")))
        self.processor_seconds.append(suite.processor_seconds)
        receipt = read_receipt(receipt_path, nonce)
        receipt_path.unlink(missing_ok=True)
        if not junit.exists():
            junit.write_text(_NO_REPORT, encoding="utf-8")
        why = f"pytest left no receipt and ended with {ended}: {last_words(log)}"
        return _Asked(number, receipt, why, started, now(), own.sha256 if own else "")

    def _keep(self, asked: _Asked, occasion: Occasion, step: str, states: list[str]) -> GateResult:
        """Judge one gate by what its process left; the result is kept and journalled."""
        receipt = asked.receipt
        plain = list(dict.fromkeys(name for state in states for name in expand(state)))
        expected = expected_checks(self.catalogue, plain)
        results: list[CheckResult] = []
        if receipt is None:
            verdict, reason = Verdict.COULD_NOT_VERIFY, asked.without
        else:
            results = [result for result in receipt.results if result.id in expected or set(result.states) & set(plain)]
            verdict, reason = judge(expected, results, plain, self.catalogue)
        judged = GateJudged(
            number=asked.number, states=states, occasion=occasion, step=step, verdict=verdict, reason=reason
        )  # fmt: skip
        result = GateResult(
            **judged.model_dump(exclude={"kind", "at"}),
            covers=plain,
            started=asked.started,
            finished=asked.finished,
            results=results,
            catalogue=self.catalogue_hash,
            own=asked.own,
        )
        # Gates that come from one process bear one number.
        name = f"{asked.number:04d}-{_label(states)}{_BEFORE.get(occasion, '')}.json"
        self.run.keep(f"gates/{name}", as_state(result, indent=1) + "\n")
        self.run.journal(judged)
        # Ahead of its step a claim need not hold: there no waiver lets anything pass.
        for used in results if occasion is not Occasion.GIVEN_BEFORE else []:
            if used.waiver:
                self.run.journal(WaiverUsed(gate=asked.number, check=used.id, waiver=used.waiver))
        return result


def _label(states: Sequence[str]) -> str:
    """The part of a gate's file names that follows its number."""
    return "+".join(states)[:80]


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
    except (OSError, ValueError):
        return None
    return receipt if receipt.nonce == nonce else None
