"""A plan that was edited under a run: taken up where that is known to do no harm, with what has to be done again; else refused."""

from collections.abc import Sequence
from pathlib import Path

from fixtures.errors import PlanError, Refused
from fixtures.plan import Plan, digest, parse_plan
from fixtures.policy.changes import MEANINGS, Meaning, at_night, changed
from fixtures.run import journal
from fixtures.run.evidence import PLAN
from fixtures.run.run import PLANS, Run, write_whole
from steps.step import Step

CHECKLIST_STATE = "night_prepared"
"""What the checklist gives, which names the plan that it was written for by its digest."""


class PlanChanged(Refused):
    """The plan is no longer the one that the run goes by."""


def take_up(plan: Plan, run: Run, steps: Sequence[Step]) -> None:
    """Have the run go by the plan as it is now; what changed, and which steps run again for it, is journalled first.

    Raises `PlanChanged` with every key that may not change any more, and why; the run then goes by the plan that it had.
    The run's copy of its plan is put back where it was changed or lost and the plan is still the one that the journal names.
    """
    kept = run.directory / PLAN
    _mend_copy(plan, run, kept)
    try:
        if digest(kept) == digest(plan.path):
            return
        former = _text(kept)
        found = changed(parse_plan(former, plan.path), plan)
    except (OSError, UnicodeDecodeError, PlanError) as error:
        why = error.found if isinstance(error, PlanError) else type(error).__name__
        raise _refused(plan, run, [f"the run's copy cannot be compared with it: {why}"]) from None
    meanings = {key: MEANINGS[key] for key in found}
    begun = _begun(run, steps)
    if wrong := [f"{key}: {why}" for key, meaning in meanings.items() if (why := _why_not(meaning, run, begun))]:
        raise _refused(plan, run, wrong)
    closed = run.happened(journal.SourceClosed)
    # The checklist is of one plan, to the letter.
    states = set() if closed else {CHECKLIST_STATE, *(state for one in meanings.values() for state in one.again)}
    again = [one.name for one in begun if states & set(one.gives)]
    text, sha256, edited = _text(plan.path), digest(kept), digest(plan.path)
    (run.directory / PLANS).mkdir(exist_ok=True)
    write_whole(run.spare_plan(sha256), former)
    write_whole(run.spare_plan(edited), text)
    for name in again:  # first: where this is cut off, the next command begins with all of it
        run.journal(journal.Voided(step=name, edited=True))
    run.journal(journal.PlanEdited(before=sha256, plan=edited, keys=found, again=again))
    run.keep(PLAN, text)


def _mend_copy(plan: Plan, run: Run, kept: Path) -> None:
    """Have the run's copy be the plan that its journal says it goes by; raises `PlanChanged` where that is not at hand."""
    known = run.plan_digest()
    if known is None or (kept.is_file() and digest(kept) == known):
        return
    if (spare := run.spare_plan(known)).is_file() and digest(spare) == known:  # cut off while an edit was taken up
        run.keep(PLAN, _text(spare))
        return
    if digest(plan.path) != known:
        raise _refused(plan, run, ["the run's copy, which it would be compared with, was changed or lost"])
    run.keep(PLAN, _text(plan.path))  # a disk or an editor changed it, or a crash came before it was written


def edits(run: Run) -> list[str]:
    """What was edited since an executor last went on with the run, a sentence each."""
    found: list[str] = []
    for entry in run.entries():
        if isinstance(entry, journal.Resumed):
            found = []
        elif isinstance(entry, journal.PlanEdited):
            again = f"; run again: {', '.join(entry.again)}" if entry.again else ""
            found.append(f"the plan was edited: {', '.join(entry.keys) or 'no value of it'}{again}")
    return found


def must_run(run: Run, step: Step) -> bool:
    """Whether the step is to run whatever its gate says: a key that it uses was edited since it last did."""
    edited = False
    for entry in run.entries():
        if isinstance(entry, journal.Voided) and entry.step == step.name:
            edited = edited or entry.edited
        elif isinstance(entry, journal.StepFinished) and entry.step == step.name:
            edited = False
    return edited


def _text(path: Path) -> str:
    """The text of a file with its line ends as they are: it is known by its digest."""
    return path.read_bytes().decode()


def _begun(run: Run, steps: Sequence[Step]) -> list[Step]:
    kinds = journal.StepStarted | journal.StepFinished | journal.AlreadyTrue
    names = {entry.step for entry in run.entries() if isinstance(entry, kinds)}
    return [one for one in steps if one.name in names]


def _why_not(meaning: Meaning, run: Run, begun: Sequence[Step]) -> str:
    """Why a key of this meaning may not change any more; "" where it may."""
    fixed = meaning.fixed
    if fixed and (_was_reached(run, fixed, begun) if isinstance(fixed, str) else run.has(fixed)):
        return meaning.why
    if not run.happened(journal.SourceClosed) or meaning.whenever:
        return ""
    used = [one.name for one in begun if set(meaning.again) & set(one.gives)]
    if used:
        return f"production is closed, and {', '.join(used)} went by it"
    return "" if at_night(meaning) else "production is closed, and what was prepared went by it"


def _was_reached(run: Run, state: str, begun: Sequence[Step]) -> bool:
    """Whether a step that gives the state has ever ended, whatever was voided since."""
    givers = {one.name for one in begun if state in one.gives}
    return any(
        isinstance(entry, journal.StepFinished | journal.AlreadyTrue) and entry.step in givers
        for entry in run.entries()
    )


def _refused(plan: Plan, run: Run, wrong: Sequence[str]) -> PlanChanged:
    closed = run.happened(journal.SourceClosed)
    anew = "go back with `gonogo back-out`" if closed else "begin anew with `gonogo run --new`"
    return PlanChanged(
        f"the plan {plan.path}",
        expected=f"what run {run.name} may still take up (it goes by {run.directory / PLAN})",
        found="edited where it may not change any more:" + "".join(f"\n    - {line}" for line in wrong),
        remedy=f"put these keys back as they were there, or {anew}; nothing was changed",
    )
