"""The executor: walks the ordered steps; each begins and ends only when its gates say go, and everything is journalled."""

import shlex
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
from fixtures.run.run import Run, new_run, runs_of
from fixtures.run.standing import clock, standing
from fixtures.run.sums import refuse_damaged
from steps.engine import guards
from steps.engine.gate import Gates
from steps.engine.progress import Progress
from steps.engine.replan import must_run, take_up
from steps.step import Step

STALE_SECONDS = 60.0
"""Where the operator's word was waited for longer than this, the gate before the step is asked again."""


class GateClosed(GonogoError):
    """A gate did not say go; carries its result. `again` are the steps that the same command runs again."""

    def __init__(self, result: GateResult, step: str, moment: str, again: Sequence[str] = ()) -> None:
        bad = [r for r in result.results if r.outcome not in PASS]
        # Checks that found something wrong come before checks that could not verify.
        bad.sort(key=lambda r: r.outcome is not Verdict.NO_GO)
        super().__init__(
            f"the gate {moment} {step}: {', '.join(result.states)}",
            expected="go",
            found=result.verdict.value + (f": {result.reason}" if result.reason else ""),
            remedy="mend what the checks name, then run the same command again"
            + (f": where they are red still, it runs {', '.join(again)} again" if again else ""),
        )
        self.result = result
        self.bad = bad


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
        if step.name in done or was_red(run, step):
            run.journal(journal.Voided(step=step.name))


def goes_on(run: Run, step: Step) -> bool:
    """Whether a step has changed what its needs are about, so that it is asked for what it needs to go on."""
    return step.once is not None and run.happened(step.once)


def was_red(run: Run, step: Step) -> bool:
    """Whether a step is to run again for no other reason than that a gate found its states to hold no more."""
    mine = [entry for entry in run.entries() if isinstance(entry, journal.OfStep) and entry.step == step.name]
    return bool(mine) and isinstance(mine[-1], journal.Voided) and mine[-1].red


def choose_run(plan: Plan, parent: Path, steps: Sequence[Step], *, anew: bool = False) -> tuple[Run, bool]:
    """The run to go on with, or a new one; and whether it is resumed.

    Raises `PlanChanged` where the plan was edited under a run and may not be, `Refused` when the latest run is over or was
    forgotten, and `CouldNotVerify` when its directory is damaged.
    """
    runs = runs_of(plan, parent)
    if runs and not anew:
        run = runs[-1]
        refuse_damaged(run)
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
            take_up(plan, run, steps)
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

        Reached means that the gate of `until` says so now: a step that was finished runs again where it is no-go. Raises
        `GateClosed` for a gate that is not go, and what a step raises; both are in the journal by then.
        """
        with self.progress.working("collecting the checks"):
            self.gates.collect()
        if self._walk(until, confirm) or not until or self._has_ended(until):
            return
        result = self._asked_again(until)
        if result.verdict is Verdict.NO_GO and self._void_red(result):
            if self._walk(until, confirm):
                return
            result = self._asked_again(until)
        if result.verdict not in PASS:
            raise GateClosed(result, until, "of")

    def _asked_again(self, until: str) -> GateResult:
        with self.progress.working(f"{until}: does it still hold?"):
            result = self.gates.ask([until])
        self.after_gate()
        return result

    def _has_ended(self, state: str) -> bool:
        """Whether a state was reached and is over: a later one has taken its place."""
        ends = next((one.ends_with for one in states.STATES if one.name == state), None)
        done = finished_steps(self.run)
        return ends is not None and any(ends in one.gives and one.name in done for one in self.steps)

    def _walk(self, until: str | None, confirm: Callable[[Step], bool]) -> bool:
        """Run the steps that are not finished; whether the last one was run now, and gave no less than was asked for."""
        last = until and (states.expand(until)[-1])
        done = finished_steps(self.run)
        for number, step in enumerate(self.steps, start=1):
            ends_here = last in step.gives
            runs = step.name not in done and not self._is_too_late(step)
            if runs:
                left = [] if ends_here else [later for later in self.steps[number:] if later.name not in done]
                self._take(number, step, confirm, left[0] if left else None)
            if ends_here:
                return runs and until == last
        return False

    def _take(self, number: int, step: Step, confirm: Callable[[Step], bool], following: Step | None) -> None:
        unopened = self._only_unopened(step)
        if unopened and self.run.happened(journal.TargetOpened):
            raise guards.opened_already(f"the step {step.name}", "the run's journal")
        begun = now()
        title = f"{number:2d}/{len(self.steps)} {step.name}"
        gives = self._is_ready(step, title)
        # Go, not waived: a waiver accepts what a step could not reach, never that it did not run.
        skips = (step.harmless or was_red(self.run, step)) and not must_run(self.run, step)
        if skips and gives.verdict is Verdict.GO:
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
        # By the clock: a monotonic one may stand still while the operator's machine sleeps.
        if (now() - gives.finished).total_seconds() > STALE_SECONDS:
            self._is_ready(step, title)
        if step.destroys:
            self.progress.say(f"      destroys {step.destroys}")
        if step.writes_to_source:
            self.progress.say(f"      on production: {step.writes_to_source}")
        with self.progress.working(f"{title}: {step.meaning}"):
            self._call(step, unopened=unopened)
        with self.progress.working(f"{title}: proving"):
            result = self.gates.after(step, following if following and not goes_on(self.run, following) else None)
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

    def _is_ready(self, step: Step, title: str) -> GateResult:
        """The gate of what a step gives, once that of what it needs is go; raises `GateClosed` where it is not.

        What a step has begun to change is not asked for as it was before.
        """
        resumed = goes_on(self.run, step)
        with self.progress.working(f"{title}: {'can it go on?' if resumed else 'is it ready?'}"):
            needs, gives = self.gates.before(step, step.resumes if resumed else step.needs)
        self.after_gate()
        held_again = was_red(self.run, step) and gives.verdict is Verdict.GO
        if needs is not None and needs.verdict not in PASS and not held_again:
            again = self._void_red(needs)
            raise GateClosed(needs, step.name, "before", again)
        return gives

    def _only_unopened(self, step: Step) -> bool:
        """Whether a step must not run once the target was opened: one before the opening, and one that destroys."""
        return bool(step.destroys) or self._stands_before(step, "target_open")

    def _is_too_late(self, step: Step) -> bool:
        """Whether production was closed without this step, which stands before the closing: it is not asked for any more."""
        return self._stands_before(step, "source_closed") and self.run.happened(journal.SourceClosed)

    def _stands_before(self, step: Step, state: str) -> bool:
        """Whether a later step gives this state."""
        return any(state in one.gives for one in self.steps[self.steps.index(step) + 1 :])

    def _void_red(self, result: GateResult) -> list[str]:
        """Have the steps run again whose states a gate found to hold no more; their names.

        A step whose gate is go by then is not run. What could not be verified says nothing against a step. What was learned of
        production is what everything was built and rehearsed by: it is never learned anew on the way. Once production is closed,
        steps of before cannot run as they did; and what was copied from a production that was not closed is copied again.
        """
        red = {state for one in result.results if one.outcome is Verdict.NO_GO for state in one.states} & set(
            result.covers
        )
        done = finished_steps(self.run)
        opened, closed = self.run.happened(journal.TargetOpened), self.run.happened(journal.SourceClosed)
        again = [
            one
            for one in self.steps
            if one.name in done
            and red & set(one.gives)
            and not one.changes_checks
            and not (opened and self._only_unopened(one))
            and not (closed and self._stands_before(one, "source_closed"))
        ]
        for first in [one for one in again if "source_closed" in one.gives]:
            later = self.steps[self.steps.index(first) + 1 :]
            again += [one for one in later if one.name in done and one not in again]
        for one in again:
            self.run.journal(journal.Voided(step=one.name, red=True))
        return [one.name for one in again]

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
            with self.progress.working("collecting the checks anew"):
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
    """Minutes of the outage budget that are left, negative beyond it; None while users are served and once it is over."""
    found = standing(run.entries())
    if found.closed is None or (found.serves == "target" and found.named) or over(run):
        return None
    return plan.cutover.outage_minutes - (now() - found.closed).total_seconds() / 60


def where_it_stands(plan: Plan, run: Run) -> list[str]:
    """Who serves users and which commands go on and back, a line each; empty while production was never closed and at an end."""
    found = standing(run.entries())
    if over(run) or (found.closed is None and not going_back(run)):
        return []
    left = minutes_left(plan, run)
    budget = ""
    if left is not None:
        budget = f"; {left:.0f} minutes of the outage budget are left"
        if left < 0:
            budget = f"; the outage budget of {plan.cutover.outage_minutes} minutes is exceeded by {-left:.0f}"
    where = shlex.join(["--plan", str(plan.path)])
    on = [] if going_back(run) else [f"  go on:   gonogo run {where}"]
    return [f"{found.sentence(clock)}{budget}", *on, f"  go back: gonogo back-out {where} ({found.price(clock)})"]
