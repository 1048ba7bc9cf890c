"""The executor: walks the ordered steps; each begins and ends only when its gates say go, and everything is journalled."""

import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from fixtures import states
from fixtures.connect.connections import Connections
from fixtures.errors import GonogoError, Refused, StepFailed
from fixtures.plan import Plan, digest
from fixtures.run import journal
from fixtures.run.evidence import PASS, CheckResult, GateResult, Problem, Verdict, now
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run, new_run, runs_of
from steps.engine import guards
from steps.engine.gate import Gates
from steps.engine.progress import Progress
from steps.step import Step


class GateClosed(GonogoError):
    """A gate did not say go; carries its result."""

    def __init__(self, result: GateResult, step: str, moment: str) -> None:
        bad = [r for r in result.results if r.outcome not in PASS]
        # Checks that found something wrong come before checks that could not verify.
        bad.sort(key=lambda r: r.outcome is not Verdict.NO_GO)
        super().__init__(
            f"the gate {moment} {step}: {', '.join(result.states)}",
            expected="go",
            found=result.verdict.value + (f": {result.reason}" if result.reason else ""),
            remedy="mend what the checks name, then run the same command again",
        )
        self.result = result
        self.bad = bad


class PlanChanged(Refused):
    """The plan is no longer the one that the run began with."""


def finished_steps(run: Run) -> dict[str, datetime]:
    """Steps that need not run again, and when they finished; what was voided since, as by another rehearsal, is not."""
    done: dict[str, datetime] = {}
    for entry in run.entries():
        if isinstance(entry, journal.StepFinished | journal.AlreadyTrue):
            done[entry.step] = entry.at
        elif isinstance(entry, journal.Voided):
            done.pop(entry.step, None)
    return done


def void(run: Run, steps: Iterable[Step]) -> None:
    """Have steps run again that were finished."""
    done = finished_steps(run)
    for step in steps:
        if step.name in done:
            run.journal(journal.Voided(step=step.name))


def choose_run(plan: Plan, parent: Path, *, anew: bool = False) -> tuple[Run, bool]:
    """The run to go on with, or a new one; and whether it is resumed.

    Raises `PlanChanged` when the plan was edited under a run, `Refused` when the latest run is over or was forgotten.
    """
    runs = runs_of(plan, parent)
    if runs and not anew:
        run = runs[-1]
        if ended(run, journal.Accepted):
            raise Refused(
                f"the plan {plan.name}",
                expected="a migration that is not done yet",
                found=f"run {run.name} was accepted",
                remedy=f"read it: `gonogo report --run {run.directory}`; `gonogo run --new` would begin another migration",
            )
        if going_back(run):
            raise Refused(
                f"run {run.name}",
                expected="a run that goes forward",
                found="its back-out began and is not finished",
                remedy="finish it: `gonogo back-out`; then `gonogo run` begins anew",
            )
        if not ended(run, journal.BackedOut):
            if run.happened(journal.Forgotten):
                raise Refused(
                    f"run {run.name}",
                    expected="a run that has all it found out",
                    found="it was forgotten before it was over: `gonogo forget` erased what it had read",
                    remedy="begin anew: `gonogo run --new`; `gonogo back-out` takes back what this run changed",
                )
            if digest(run.directory / "plan.toml") != digest(plan.path):
                raise PlanChanged(
                    f"the plan {plan.path}",
                    expected=f"the plan that run {run.name} began with (kept in {run.directory / 'plan.toml'})",
                    found="it was edited since",
                    remedy="undo the edit, or go back with `gonogo back-out` and begin anew with `gonogo run --new`",
                )
            return run, True
    # Whether a run of another format closed production is not known here; its mark on production refuses another closing.
    if runs and anew and runs[-1].readable and runs[-1].happened(journal.SourceClosed) and not over(runs[-1]):
        raise Refused(
            f"run {runs[-1].name}",
            expected="production open before another run begins",
            found="that run closed production and is not yet proven to be accepted or backed out",
            remedy="go on with `gonogo run`, or reopen production with `gonogo back-out`",
        )
    run = new_run(plan, parent)
    run.journal(journal.RunStarted(plan=digest(plan.path)))
    return run, False


def ended(run: Run, end: type[journal.Accepted | journal.BackedOut]) -> bool:
    """Whether the journal holds this end of the run, and a gate proved it afterwards: the entry alone is no proof."""
    claimed = ""
    proven = False
    for entry in run.entries():
        if isinstance(entry, end):
            claimed = entry.kind
        elif claimed and isinstance(entry, journal.GateJudged) and entry.states == [claimed]:
            proven = entry.verdict in PASS
    return proven


def going_back(run: Run) -> bool:
    """Whether a back-out has begun to change something, was not called off, and is not proven."""
    moves = [entry for entry in run.entries() if isinstance(entry, journal.WAY_BACK)]
    return bool(moves) and not isinstance(moves[-1], journal.TargetUnfenced) and not ended(run, journal.BackedOut)


def over(run: Run) -> bool:
    """Whether the run came to a proven end, accepted or backed out."""
    return ended(run, journal.Accepted) or ended(run, journal.BackedOut)


class Executor:
    """Takes one run forward, step by step."""

    def __init__(
        self, plan: Plan, run: Run, progress: Progress, steps: Sequence[Step], *, after_gate: Callable[[], None]
    ) -> None:
        self.plan = plan
        self.run = run
        self.progress = progress
        self.steps = [step for step in steps if step.concerns(plan)]
        self.after_gate = after_gate
        self.gates = Gates(plan, run)

    def go(self, until: str | None, confirm: Callable[[Step], bool]) -> None:
        """Run every step not finished yet, up to and with the one that gives the state `until`.

        Raises `GateClosed` for a gate that is not go, and what a step raises; both are in the journal by then.
        """
        last = until and (states.expand(until)[-1])
        self.gates.collect()
        done = finished_steps(self.run)
        for number, step in enumerate(self.steps, start=1):
            if step.name not in done:
                self._take(number, step, confirm)
            if last in step.gives:
                return

    def _take(self, number: int, step: Step, confirm: Callable[[Step], bool]) -> None:
        unopened = bool(step.destroys) or any("target_open" in later.gives for later in self.steps[number:])
        if unopened and self.run.happened(journal.TargetOpened):
            raise guards.opened_already(f"the step {step.name}", "the run's journal")
        begun = now()
        title = f"{number:2d}/{len(self.steps)} {step.name}"
        with self.progress.working(f"{title}: is it ready?"):
            needs, gives = self.gates.before(step)
        self.after_gate()
        if needs is not None and needs.verdict not in PASS:
            raise GateClosed(needs, step.name, "before")
        # Go, not waived: a waiver accepts what a step could not reach, never that it did not run.
        if step.harmless and gives.verdict is Verdict.GO:
            self.run.journal(journal.AlreadyTrue(step=step.name))
            self.progress.say(f"{title}  already true ({_counts(gives)})", "dim")
            return
        if not confirm(step):
            raise Refused(
                f"the step {step.name}",
                expected="your consent, typed at the question",
                found="another answer, or none",
                remedy="nothing was changed by it; run the same command again when you are ready",
            )
        if step.destroys:
            self.progress.say(f"      destroys {step.destroys}")
        if step.writes_to_source:
            self.progress.say(f"      on production: {step.writes_to_source}")
        with self.progress.working(f"{title}: {step.meaning}"):
            self._call(step, unopened=unopened)
        with self.progress.working(f"{title}: proving"):
            result = self.gates.after(step)
        if result.verdict not in PASS:
            closed = GateClosed(result, step.name, "after")
            self.run.journal(journal.StepFailed(step=step.name, problem=Problem.of(closed)))
            self.after_gate()
            raise closed
        self.run.journal(journal.StepFinished(step=step.name))
        self.after_gate()
        seconds = (now() - begun).total_seconds()
        mark = "go" if result.verdict is Verdict.GO else "waived"
        self.progress.say(f"{title}  {mark} {', '.join(step.gives)} ({_counts(result)}, {seconds:.1f} s)", "green")

    def _call(self, step: Step, *, unopened: bool) -> None:
        """Call the step's function, after its guards; whatever stops it is in the journal."""
        connections = Connections(self.plan, self.run, may_change=True)
        work = f"the step {step.name}"
        try:
            with guards.guarded(connections, step.handed, work, unopened=unopened, unproven=bool(step.unproven)):
                self.run.journal(journal.StepStarted(step=step.name))
                step.run(connections)
        except GonogoError as error:
            self.run.journal(journal.StepFailed(step=step.name, problem=Problem.of(error)))
            raise
        except KeyboardInterrupt:
            self.run.journal(journal.Interrupted(step=step.name))
            raise
        except Exception as error:
            fault = StepFailed(
                work,
                expected="to finish",
                found=f"{type(error).__name__}: {error}",
                remedy=f"this is a fault of gonogo; the step may be half done; run the same command again, it starts at "
                f"{step.name}",
            )
            failed = journal.StepFailed(step=step.name, problem=Problem.of(fault), traceback=traceback.format_exc())
            self.run.journal(failed)
            raise fault from error
        finally:
            connections.close()
        if step.changes_checks:
            self.gates.collect()


def _counts(result: GateResult) -> str:
    count = len(result.results)
    return f"{count} check{'s' if count != 1 else ''}"


def describe(check: CheckResult) -> str:
    """One check that is not go, for people: its verdict, its name and its problem."""
    return f"{check.outcome.value}: {check.id.removeprefix('checks/')}\n" + "\n".join(
        f"    {line}" for line in str(check.problem or "").splitlines()
    )


def minutes_left(plan: Plan, run: Run) -> float | None:
    """Minutes of the outage budget that are left, negative beyond it; None while production is open or once it is over."""
    if not run.has(SourceClosure) or run.happened(journal.SourceReopened) or over(run):
        return None
    closed = run.records(SourceClosure).closed
    return plan.cutover.outage_minutes - (now() - closed).total_seconds() / 60
