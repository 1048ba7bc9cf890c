"""What happened: steps, gates, states and how the run stands, out of the journal and the gates' results. Pure."""

import re
from collections.abc import Iterator
from datetime import datetime

from fixtures.run.evidence import CheckResult, Entry, GateResult, Verdict
from reports.models import Attempt, CheckRow, Event, GateRow, Outcome, StateRow, Status, StepRow, Trouble
from reports.stored import Stored, StoredGate

PASS = (Verdict.GO, Verdict.WAIVED)
WORST = (Verdict.NO_GO, Verdict.COULD_NOT_VERIFY, Verdict.WAIVED, Verdict.GO)
"""Verdicts, what is known to be wrong first."""

EVENTS = {
    "interrupted": "interrupted",
    "resumed": "resumed",
    "source_closed": "production closed",
    "target_open": "target opened",
    "dns_changed": "DNS changed",
    "accepted": "accepted",
    "back_out_started": "back-out began",
    "source_reopened": "production open again",
    "backed_out": "backed out",
}
"""Journal kind -> what the timeline calls it."""

_FOUR_PARTS = re.compile(
    r"\A(?P<subject>.*?)\n  expected: (?P<expected>.*?)\n  found:    (?P<found>.*?)\n  do:       (?P<do>.*)\Z",
    re.DOTALL,
)


def trouble(where: str, title: str, text: str, verdict: Verdict | None = None) -> Trouble:
    """A trouble out of the text of a check or an error; its four parts apart where the text has them."""
    match = _FOUR_PARTS.match(text.strip("\n"))
    parts = {key: value.strip() for key, value in match.groupdict().items()} if match else {"text": text.strip()}
    return Trouble(where=where, title=title, verdict=verdict, **parts)


def events(stored: Stored) -> list[Event]:
    """The moments that a reader looks for, oldest first."""
    return [Event(at=e.at, kind=e.kind, words=EVENTS[e.kind]) for e in stored.entries if e.kind in EVENTS]


def find_gate(stored: Stored, entry: Entry) -> StoredGate | None:
    """The stored result that a journal entry of kind `gate` speaks of."""
    number, states = entry.detail.get("number"), entry.detail.get("states")
    return next((g for g in stored.gates if g.result.number == number and g.result.states == states), None)


class _Walk:
    """Goes through the journal and keeps which step is under way, and which gates wait for theirs."""

    def __init__(self) -> None:
        self.rows: dict[str, StepRow] = {}
        self.waiting: list[StoredGate] = []
        self.owner: dict[tuple[int, str], str] = {}
        self.open: StepRow | None = None
        self.last_sign: Entry | None = None

    def begin(self, entry: Entry, outcome: Outcome) -> None:
        started = entry.at
        if outcome is Outcome.ALREADY_TRUE and self.waiting:
            started = min(self.waiting[0].result.started, entry.at)
        attempt = Attempt(started=started, ended=entry.at, outcome=outcome)
        row = self.rows.setdefault(entry.step, StepRow(name=entry.step, attempts=[]))
        row.attempts.append(attempt)
        for gate in self.waiting:
            self.own(gate, row)
        self.waiting = []
        self.last_sign = None
        self.open = row if outcome is Outcome.RUNNING else None

    def own(self, gate: StoredGate, row: StepRow) -> None:
        self.owner[gate.result.number, gate.label] = row.name
        if gate.result.number not in row.gates:
            row.gates.append(gate.result.number)

    def gate(self, gate: StoredGate) -> None:
        if self.open:
            self.own(gate, self.open)
        else:
            self.waiting.append(gate)

    def end(self, entry: Entry, outcome: Outcome) -> None:
        error = entry.detail.get("error", "")
        if self.open is None or self.open.name != entry.step:
            self.cut(entry)
            self.begin(entry, Outcome.RUNNING)
        assert self.open is not None
        self.open.attempts[-1] = Attempt(
            started=self.open.attempts[-1].started, ended=max(entry.at, self.open.attempts[-1].started),
            outcome=outcome, error=error if isinstance(error, str) else "",
        )  # fmt: skip
        self.open = None

    def doubt(self, previous: Entry) -> None:
        """Every executor that starts notes the catalogue: if the step never ends, its process died before this."""
        self.last_sign = self.last_sign or previous

    def cut(self, previous: Entry) -> None:
        if self.open:
            last = self.open.attempts[-1]
            ended = (self.last_sign or previous).at
            self.open.attempts[-1] = last.model_copy(
                update={"outcome": Outcome.CUT_SHORT, "ended": max(last.started, ended)}
            )
        self.open = None


_ENDS = {
    "step_finished": Outcome.FINISHED, "step_failed": Outcome.FAILED, "interrupted": Outcome.INTERRUPTED,
}  # fmt: skip


def steps(stored: Stored, *, live: bool) -> tuple[list[StepRow], dict[tuple[int, str], str]]:
    """Every step with its tries, in the order in which they first ran; and (number, label) of a gate -> its step."""
    walk = _Walk()
    previous: Entry | None = None
    for entry in stored.entries:
        if entry.kind == "gate":
            gate = find_gate(stored, entry)
            if gate:
                walk.gate(gate)
        elif entry.kind in ("step_started", "already_true"):
            walk.cut(previous or entry)
            walk.begin(entry, Outcome.RUNNING if entry.kind == "step_started" else Outcome.ALREADY_TRUE)
        elif entry.kind in _ENDS and entry.step:
            walk.end(entry, _ENDS[entry.kind])
        elif entry.kind in ("resumed", "run_started", "back_out_started"):
            walk.cut(previous or entry)
            walk.waiting = []
        elif entry.kind == "catalogue":
            walk.doubt(previous or entry)
        previous = entry
    if previous and walk.open:
        if live:
            running = walk.open.attempts[-1]
            walk.open.attempts[-1] = running.model_copy(update={"ended": max(running.started, previous.at)})
        else:
            walk.cut(previous)
    return list(walk.rows.values()), walk.owner


def gates(stored: Stored, owner: dict[tuple[int, str], str]) -> list[GateRow]:
    """Every gate that was run, oldest first."""
    return [
        GateRow(
            number=g.result.number, label=g.label, before=g.before, states=g.result.states, verdict=g.result.verdict,
            reason=g.result.reason, started=g.result.started, finished=max(g.result.started, g.result.finished),
            checks=len(g.result.results), not_go=[r.id for r in g.result.results if r.outcome is not Verdict.GO],
            step=owner.get((g.result.number, g.label), ""),
        )
        for g in stored.gates
    ]  # fmt: skip


def _telling(stored: Stored) -> Iterator[StoredGate]:
    """The gates whose results count: one that asked ahead of a step, and heard no, says nothing against the run."""
    return (gate for gate in stored.gates if not gate.before or gate.result.verdict in PASS)


def last_words(stored: Stored) -> list[tuple[StoredGate, CheckResult]]:
    """The last result of every check, and the gate it comes from."""
    found = {result.id: (gate, result) for gate in _telling(stored) for result in gate.result.results}
    return list(found.values())


def states(stored: Stored) -> list[StateRow]:
    """Every state that a gate asked for or a check claims, in the order in which they were first asked."""
    last_asked = {state: gate.result for gate in _telling(stored) for state in gate.result.states}
    checks: dict[str, list[CheckRow]] = {state: [] for state in last_asked}
    for gate, result in last_words(stored):
        row = CheckRow(
            id=result.id, claim=result.claim, states=result.states, verdict=result.outcome, message=result.message,
            seconds=result.seconds, gate=gate.result.number, file=result.id.partition("::")[0],
        )  # fmt: skip
        for state in result.states:
            checks.setdefault(state, []).append(row)
    return [
        StateRow(
            name=state, checks=rows, verdict=_verdict(last_asked.get(state), rows),
            reason=last_asked[state].reason if state in last_asked else "",
        )
        for state, rows in checks.items()
    ]  # fmt: skip


def _verdict(asked: GateResult | None, rows: list[CheckRow]) -> Verdict:
    found = worst([row.verdict for row in rows])
    if asked and asked.reason and found in PASS:
        return Verdict.COULD_NOT_VERIFY
    return found


def worst(verdicts: list[Verdict]) -> Verdict:
    """The gravest of some verdicts; of none, nothing can be said."""
    return min(verdicts, key=WORST.index, default=Verdict.COULD_NOT_VERIFY)


def verdicts(stored: Stored, state: str, since: datetime) -> dict[str, Verdict]:
    """The last verdict of every check of a state, by id, from gates that began at `since` or later."""
    return {
        result.id: result.outcome
        for gate in _telling(stored)
        if gate.result.started >= since
        for result in gate.result.results
        if state in result.states
    }


def proven(stored: Stored, state: str, since: datetime) -> bool:
    """Whether the last gate that asked for the state passed, after `since`, and every check of it said go, none waived."""
    asked = [gate.result for gate in _telling(stored) if state in gate.result.states and gate.result.started >= since]
    outcomes = [r.outcome for r in asked[-1].results if state in r.states] if asked else []
    return bool(outcomes) and asked[-1].verdict in PASS and set(outcomes) == {Verdict.GO}


def standing(stored: Stored, *, live: bool) -> tuple[Status, list[Trouble]]:
    """How the run stands, and what stopped it. Accepted and backed out need the word of a gate beside the journal's."""
    claimed = ""
    stopped: tuple[Status, list[Trouble]] | None = None
    for entry in stored.entries:
        if entry.kind == "gate":
            gate = find_gate(stored, entry)
            if gate and not gate.before:
                stopped = None if gate.result.verdict in PASS else _stopped_by(gate)
        elif entry.kind == "step_failed":
            error = entry.detail.get("error", "")
            failed = trouble(f"step {entry.step}", "The step did not finish", str(error))
            stopped = stopped or (Status.FAILED, [failed])  # a gate that said no is the better reason
        elif entry.kind == "interrupted":
            stopped = (Status.INTERRUPTED, [])
        elif entry.kind in ("accepted", "backed_out"):
            claimed = entry.kind
        elif entry.kind not in ("waiver_used", "catalogue"):
            stopped = None
            claimed = "" if entry.kind == "back_out_started" else claimed
    if not stored.entries:
        return Status.NOT_BEGUN, []
    if stopped:
        return stopped
    proofs = [g.result.verdict in PASS for g in _telling(stored) if claimed in g.result.states]
    if claimed and proofs[-1:] == [True]:
        return Status.ACCEPTED if claimed == "accepted" else Status.BACKED_OUT, []
    if live:
        return Status.UNDER_WAY, []
    if claimed:
        text = f"the journal says {claimed.replace('_', ' ')}, and no gate in the run's directory proves it"
        return Status.COULD_NOT_VERIFY, [trouble("journal", "An end without its proof", text)]
    began = [e.kind for e in stored.entries if e.kind in ("step_started", *_ENDS, "already_true")]
    return (Status.STOPPED if began[-1:] == ["step_started"] else Status.PAUSED), []


def _stopped_by(gate: StoredGate) -> tuple[Status, list[Trouble]]:
    bad = [r for r in gate.result.results if r.outcome not in PASS]
    bad.sort(key=lambda r: WORST.index(r.outcome))
    found = [trouble(r.id, r.claim, r.message, r.outcome) for r in bad]
    if gate.result.reason or not found:
        reason = gate.result.reason or "the gate gives no reason"
        found.append(trouble(f"gate {gate.result.number}", "The gate as a whole", reason, gate.result.verdict))
    no_go = gate.result.verdict is Verdict.NO_GO
    return (Status.NO_GO if no_go else Status.COULD_NOT_VERIFY), found
