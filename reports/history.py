"""What happened: steps, gates, states and how the run stands, out of the journal and the gates' results. Pure."""

from collections.abc import Iterator
from datetime import datetime

from fixtures.run import journal
from fixtures.run.evidence import PASS, CheckResult, GateResult, Occasion, Problem, Verdict
from fixtures.run.sums import REOPEN
from reports import models
from reports.models import Outcome, Status
from reports.stored import Stored
from reports.words import changed_lines

WORST = (Verdict.NO_GO, Verdict.COULD_NOT_VERIFY, Verdict.WAIVED, Verdict.GO)
"""Verdicts, what is known to be wrong first."""

EVENTS = {
    "interrupted": "interrupted",
    "resumed": "resumed",
    "source_closed": "closing production began",
    "source_shut": "production closed",
    "target_open": "target opened",
    "dns_changed": "DNS changed",
    "accepted": "accepted",
    "back_out_started": "back-out began",
    "source_reopening": "opening production began",
    "source_reopened": "production open again",
    "backed_out": "backed out",
}
"""Journal kind -> what the timeline calls it."""


def trouble(where: str, title: str, problem: Problem | None, verdict: Verdict | None = None) -> models.Trouble:
    """What stopped the run, of a check, step or gate, with its four parts where they were left."""
    return models.Trouble(where=where, title=title, verdict=verdict, problem=_row(problem))


def _row(problem: Problem | None) -> models.ProblemRow | None:
    return models.ProblemRow(**dict(problem)) if problem else None


def events(stored: Stored) -> list[models.Event]:
    """The moments that a reader looks for, oldest first."""
    return [models.Event(at=e.at, kind=e.kind, words=EVENTS[e.kind]) for e in stored.entries if e.kind in EVENTS]


def edits(stored: Stored) -> list[models.EditRow]:
    """When the plan was edited under the run, and what that meant, oldest first."""
    found = [entry for entry in stored.entries if isinstance(entry, journal.PlanEdited)]
    return [models.EditRow(at=one.at, keys=sorted(one.keys), again=one.again) for one in found]


def find_gate(stored: Stored, entry: journal.GateJudged) -> GateResult | None:
    """The stored result of the gate that a journal entry speaks of."""
    return next((g for g in stored.gates if (g.number, g.occasion) == (entry.number, entry.occasion)), None)


class _Walk:
    """Goes through the journal and keeps which step is under way, and which gates were asked ahead of theirs."""

    def __init__(self) -> None:
        self.rows: dict[str, models.StepRow] = {}
        self.ahead: list[GateResult] = []
        self.open: models.StepRow | None = None
        self.last_sign: journal.Happened | None = None

    def begin(self, entry: journal.OfStep, outcome: Outcome) -> None:
        started = entry.at
        if outcome is Outcome.ALREADY_TRUE and self.ahead:
            started = min(self.ahead[0].started, entry.at)
        attempt = models.Attempt(started=started, ended=entry.at, outcome=outcome)
        row = self.rows.setdefault(entry.step, models.StepRow(name=entry.step, attempts=[]))
        row.attempts.append(attempt)
        for gate in self.ahead:
            if gate.step == row.name and gate.number not in row.gates:
                row.gates.append(gate.number)
        self.ahead = []
        self.last_sign = None
        self.open = row if outcome is Outcome.RUNNING else None

    def gate(self, gate: GateResult) -> None:
        if self.open is None:
            self.ahead.append(gate)
        elif self.open.name == gate.step:
            self.open.gates.append(gate.number)

    def end(self, entry: journal.OfStep, outcome: Outcome) -> None:
        if self.open is None or self.open.name != entry.step:
            self.cut_short(entry)
            self.begin(entry, Outcome.RUNNING)
        assert self.open is not None
        self.open.attempts[-1] = models.Attempt(
            started=self.open.attempts[-1].started, ended=max(entry.at, self.open.attempts[-1].started),
            outcome=outcome, problem=_row(entry.problem) if isinstance(entry, journal.StepFailed) else None,
        )  # fmt: skip
        self.open = None

    def note_start(self, previous: journal.Happened) -> None:
        """Every executor that starts notes the catalogue: if the step never ends, its process died before this."""
        self.last_sign = self.last_sign or previous

    def cut_short(self, previous: journal.Happened) -> None:
        if self.open:
            last = self.open.attempts[-1]
            ended = (self.last_sign or previous).at
            self.open.attempts[-1] = last.model_copy(
                update={"outcome": Outcome.CUT_SHORT, "ended": max(last.started, ended)}
            )
        self.open = None


_ENDS: dict[type[journal.OfStep], Outcome] = {
    journal.StepFinished: Outcome.FINISHED, journal.StepFailed: Outcome.FAILED, journal.Interrupted: Outcome.INTERRUPTED,
}  # fmt: skip


def steps(stored: Stored, *, live: bool) -> list[models.StepRow]:
    """Every step with its attempts, in the order in which they first ran."""
    walk = _Walk()
    previous: journal.Entry | None = None
    for entry in stored.entries:
        match entry:
            case journal.GateJudged():
                gate = find_gate(stored, entry)
                if gate:
                    walk.gate(gate)
            case journal.StepStarted() | journal.AlreadyTrue():
                walk.cut_short(previous or entry)
                walk.begin(entry, Outcome.RUNNING if isinstance(entry, journal.StepStarted) else Outcome.ALREADY_TRUE)
            case journal.StepFinished() | journal.StepFailed() | journal.Interrupted():
                walk.end(entry, _ENDS[type(entry)])
            case journal.Resumed() | journal.RunStarted() | journal.BackOutStarted():
                walk.cut_short(previous or entry)
                walk.ahead = []
            case journal.CatalogueMade():
                walk.note_start(previous or entry)
        previous = entry
    if previous and walk.open:
        if live:
            running = walk.open.attempts[-1]
            walk.open.attempts[-1] = running.model_copy(update={"ended": max(running.started, previous.at)})
        else:
            walk.cut_short(previous)
    return list(walk.rows.values())


def gates(stored: Stored) -> list[models.GateRow]:
    """Every gate that was run, oldest first."""
    return [
        models.GateRow(
            number=g.number, before=g.occasion is Occasion.GIVEN_BEFORE, occasion=g.occasion.value, states=g.states,
            verdict=g.verdict, reason=g.reason, started=g.started, finished=max(g.started, g.finished),
            checks=len(g.results), not_go=[r.id for r in g.results if r.outcome is not Verdict.GO], step=g.step,
        )
        for g in stored.gates
    ]  # fmt: skip


def _counting(stored: Stored) -> Iterator[GateResult]:
    """The gates whose results count: one that was asked ahead of a step, and was not go, says nothing against the run."""
    return (gate for gate in stored.gates if gate.occasion is not Occasion.GIVEN_BEFORE or gate.verdict in PASS)


def last_results(stored: Stored) -> list[tuple[GateResult, CheckResult]]:
    """The last result of every check, and the gate it comes from."""
    found = {result.id: (gate, result) for gate in _counting(stored) for result in gate.results}
    return list(found.values())


def states(stored: Stored) -> list[models.StateRow]:
    """Every state that a gate asked for or a check claims, in the order in which they were first asked."""
    last_asked = {state: gate for gate in _counting(stored) for state in gate.covers}
    checks: dict[str, list[models.CheckRow]] = {state: [] for state in last_asked}
    for gate, result in last_results(stored):
        row = models.CheckRow(
            id=result.id, claim=result.claim, states=result.states, verdict=result.outcome,
            problem=_row(result.problem), waiver=models.TermsRow(**dict(result.waiver)) if result.waiver else None,
            seconds=result.seconds, gate=gate.number,
        )  # fmt: skip
        for state in result.states:
            checks.setdefault(state, []).append(row)
    return [
        models.StateRow(
            name=state, checks=rows, verdict=_verdict(last_asked.get(state), rows),
            reason=last_asked[state].reason if state in last_asked else "",
        )
        for state, rows in checks.items()
    ]  # fmt: skip


def _verdict(asked: GateResult | None, rows: list[models.CheckRow]) -> Verdict:
    found = worst([row.verdict for row in rows])
    if asked and asked.reason and found in PASS:
        return Verdict.COULD_NOT_VERIFY
    return found


def worst(verdicts: list[Verdict]) -> Verdict:
    """The gravest of some verdicts; of none, nothing can be said."""
    return min(verdicts, key=WORST.index, default=Verdict.COULD_NOT_VERIFY)


def results(stored: Stored, state: str, since: datetime) -> list[CheckResult]:
    """The last result of every check of a state, from gates that began at `since` or later."""
    found = {
        result.id: result
        for gate in _counting(stored)
        if gate.started >= since
        for result in gate.results
        if state in result.states
    }
    return list(found.values())


def proven(stored: Stored, state: str, since: datetime) -> bool:
    """Whether the last gate of the state since `since` passed, with every check go and none waived."""
    asked = [gate for gate in _counting(stored) if state in gate.covers and gate.started >= since]
    outcomes = [r.outcome for r in asked[-1].results if state in r.states] if asked else []
    return bool(outcomes) and asked[-1].verdict in PASS and set(outcomes) == {Verdict.GO}


Stop = tuple[Status, list[models.Trouble]]
"""How a run stands that was stopped, and by what."""


def standing(stored: Stored, *, live: bool) -> Stop:
    """How the run stands, and what stopped it. Accepted and backed out need the word of a gate beside the journal's."""
    if lines := changed_lines(stored.unreadable):
        changed = Problem(
            subject="the journal", expected="as it was written", found="; ".join(lines),
            remedy=f"restore the run's directory from a backup; {REOPEN}",
        )  # fmt: skip
        return Status.COULD_NOT_VERIFY, [trouble("journal", "The journal was changed", changed)]
    if not stored.entries:
        return Status.NOT_BEGUN, []
    claimed, stopped = _claimed_and_stopped(stored)
    if stopped:
        return stopped
    proofs = [gate.verdict in PASS for gate in _counting(stored) if claimed and claimed.kind in gate.covers]
    if claimed and proofs[-1:] == [True]:
        return Status.ACCEPTED if isinstance(claimed, journal.Accepted) else Status.BACKED_OUT, []
    if live:
        return Status.UNDER_WAY, []
    if claimed:
        missing = Problem(
            subject=f"the end of the run, {claimed.kind.replace('_', ' ')}",
            expected="a gate in the run's directory that proves it",
            found="the journal says so, and no gate does",
            remedy="run the same command again, or restore the run's directory from a backup",
        )
        return Status.COULD_NOT_VERIFY, [trouble("journal", "An end without its proof", missing)]
    began = [entry for entry in stored.entries if isinstance(entry, (journal.StepStarted, journal.AlreadyTrue, *_ENDS))]
    return (Status.STOPPED if began and isinstance(began[-1], journal.StepStarted) else Status.PAUSED), []


def _claimed_and_stopped(stored: Stored) -> tuple[journal.Accepted | journal.BackedOut | None, Stop | None]:
    """The end that the journal claims, and what stopped the run since anything else happened."""
    claimed: journal.Accepted | journal.BackedOut | None = None
    stopped: Stop | None = None
    for entry in stored.entries:
        match entry:
            case journal.GateJudged():
                gate = find_gate(stored, entry)
                if gate and gate.occasion is not Occasion.GIVEN_BEFORE:
                    stopped = None if gate.verdict in PASS else _stopped_by(gate)
            case journal.StepFailed():
                failed = trouble(f"step {entry.step}", "The step did not finish", entry.problem)
                stopped = stopped or (Status.FAILED, [failed])  # a gate that was not go is the better reason
            case journal.Interrupted():
                stopped = (Status.INTERRUPTED, [])
            case journal.Accepted() | journal.BackedOut():
                claimed = entry
            case journal.WaiverUsed() | journal.CatalogueMade():
                pass
            case _:
                stopped = None
                claimed = None if isinstance(entry, journal.BackOutStarted) else claimed
    return claimed, stopped


def _stopped_by(gate: GateResult) -> Stop:
    bad = [r for r in gate.results if r.outcome not in PASS]
    bad.sort(key=lambda r: WORST.index(r.outcome))
    found = [trouble(r.id, r.claim, r.problem, r.outcome) for r in bad]
    if gate.reason or not found:
        whole = Problem(
            subject=f"gate {gate.number}: {', '.join(gate.states)}",
            expected="a verdict of all its checks",
            found=gate.reason or "the gate gives no reason",
            remedy="mend what is named, then run the same command again",
        )
        found.append(trouble(f"gate {gate.number}", "The gate as a whole", whole, gate.verdict))
    no_go = gate.verdict is Verdict.NO_GO
    return (Status.NO_GO if no_go else Status.COULD_NOT_VERIFY), found
