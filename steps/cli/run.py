"""The commands that change machines: `gonogo run | rehearse | back-out`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from fixtures import states
from fixtures.connect.connections import Connections
from fixtures.errors import CouldNotVerify, GonogoError, Refused
from fixtures.plan import Plan, load_plan
from fixtures.plan.references import poor_secrets, refuse_poor_secrets
from fixtures.run.evidence import PASS, PLAN
from fixtures.run.journal import Accepted, BackedOut, Resumed, SourceClosed
from fixtures.run.records import Opening
from fixtures.run.run import Run, runs_of
from fixtures.run.sums import REOPEN, refuse_damaged
from steps import REHEARSE, STEPS
from steps.back_out import back_out as way_back
from steps.back_out.from_source import back_out_from_source, refuse_whole_run, stands_in_the_way
from steps.build.postgresql import start_again
from steps.cli import exits
from steps.cli.clear_errors import clear_errors, stop
from steps.engine.executor import (
    Executor,
    GateClosed,
    choose_run,
    ended,
    finished_steps,
    void,
    where_it_stands,
)
from steps.engine.gate import Gates
from steps.engine.guards import prove_target
from steps.engine.lock import plan_lock
from steps.engine.pages import Pages
from steps.engine.progress import Progress
from steps.engine.replan import PlanChanged, edits, take_up
from steps.engine.suite import ROOT
from steps.step import Step
from steps.survey.preflight import preflight

PlanFile = Annotated[Path, typer.Option("--plan", envvar="GONOGO_PLAN", help="the plan", show_default="plan.toml")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask; for scripts and rehearsals")]

RUNS = ROOT / "runs"


@clear_errors
def run(
    plan_file: PlanFile = Path("plan.toml"),
    until: Annotated[str, typer.Option(help="stop once this state is reached")] = "",
    each: Annotated[bool, typer.Option("--step", help="ask before each step")] = False,
    yes: Yes = False,
    new: Annotated[bool, typer.Option("--new", help="begin another run")] = False,
) -> None:
    """Run the migration, or go on where the last run stopped."""
    plan = load_plan(plan_file)
    refuse_poor_secrets(plan)
    given = {state for step in STEPS for state in step.gives}
    if until and (until not in states.MEANINGS or states.expand(until)[-1] not in given):
        raise typer.BadParameter(
            f"{until} is no state that a step gives; `gonogo plan` and `pytest --markers` list them"
        )
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo run"):
        current, resumed = choose_run(plan, RUNS, STEPS, anew=new)
        _advance(plan, current, until, resumed=resumed, each=each, yes=yes)


@clear_errors
def rehearse(plan_file: PlanFile = Path("plan.toml"), yes: Yes = False) -> None:
    """Rehearse again: wipe the target's copy, copy production anew while it is in use, and try the target."""
    plan = load_plan(plan_file)
    refuse_poor_secrets(plan)
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo rehearse"):
        current, resumed = choose_run(plan, RUNS, STEPS)
        if current.happened(SourceClosed):
            raise Refused(
                f"run {current.name}",
                expected="a rehearsal before production is closed",
                found="the cutover has begun",
                remedy="`gonogo status` shows where the run stands",
            )
        void(current, REHEARSE)
        _advance(plan, current, REHEARSE[-1].gives[-1], resumed=resumed, each=False, yes=yes)


def _advance(plan: Plan, current: Run, until: str, *, resumed: bool, each: bool, yes: bool) -> None:
    """Take a run forward, and say where it stands when that fails."""
    progress = Progress(current.directory / "run.log")
    progress.listen()
    edited = edits(current)
    if resumed:
        current.journal(Resumed())
    progress.say(f"{'resuming' if resumed else 'run'} {current.directory.relative_to(ROOT)}", "bold")
    for line in edited:
        progress.say(f"  {line}", "yellow")
    with _advice_when_stopped(plan, current, progress):
        if not yes:
            _require_answers(current, until, each=each)
        _walk(plan, current, progress, until, _asker(plan, each=each, yes=yes))


@contextmanager
def _advice_when_stopped(plan: Plan, current: Run, progress: Progress) -> Iterator[None]:
    """Say with every failure and interruption what an operator with production closed needs."""
    try:
        yield
    except GonogoError as error:
        after_closing(plan, current, progress)
        stop(error, progress)
    except (OSError, KeyboardInterrupt):
        after_closing(plan, current, progress)
        raise


def _require_answers(current: Run, until: str, *, each: bool) -> None:
    """Refuse at once where a question would find nobody later on, with production closed already."""
    done = finished_steps(current)
    for step in STEPS:
        if step.name not in done and (each or "target_open" in step.gives):
            _require_terminal()
        if until and states.expand(until)[-1] in step.gives:
            return


def _walk(plan: Plan, current: Run, progress: Progress, until: str, confirm: Callable[[Step], bool]) -> None:
    if not current.happened(SourceClosed):
        with progress.working("proving which is which: account, source, target"):
            connections = Connections(plan, current, may_change=False)
            try:
                preflight(connections)
            finally:
                connections.close()
    else:
        with progress.working("looking whether the target's PostgreSQL still runs"):
            _start_target_database(plan, current)
    pages = Pages(current)
    try:
        Executor(plan, current, progress, STEPS, after_gate=pages.refresh).go(until or None, confirm)
    finally:
        with progress.working("making the run's pages"):
            pages.finish()
    if current.happened(Accepted):
        progress.say(f"accepted; the sign-off: {current.directory / 'signoff.html'}", "bold green")
    else:
        progress.say(f"reached {until}; `gonogo run` goes on", "bold")


def _start_target_database(plan: Plan, current: Run) -> None:
    """Start PostgreSQL of the target again where it died while production is closed: gates and guards could only say so."""
    with suppress(CouldNotVerify, Refused):  # the gates say it better
        connections = Connections(plan, current, may_change=True)
        try:
            prove_target(connections)
            start_again(plan, current, connections.target)
        finally:
            connections.close()


def after_closing(plan: Plan, current: Run, progress: Progress) -> None:
    """Say what an operator with production closed needs: who serves users, how to go on, how to go back, how long there is."""
    for line in where_it_stands(plan, current):
        progress.say(line, "bold yellow")


def _asker(plan: Plan, *, each: bool, yes: bool) -> Callable[[Step], bool]:
    hostname = plan.web.hostnames[0]

    def ask(step: Step) -> bool:
        if yes:
            return True
        if "target_open" in step.gives:
            return typed(f"From here the target takes writes. Type {hostname} to open it", hostname)
        return not each or typed(f"{step.name}: {step.meaning} Type yes", "yes")

    return ask


ALL_YES = "--yes answers every question, opening the target included"


def _require_terminal(yes: str = ALL_YES) -> None:
    if not sys.stdin.isatty():
        raise Refused(
            "a question that must be answered",
            expected="a terminal to type the answer on",
            found="none: standard input is no terminal",
            remedy=f"run the same command in a terminal; {yes}",
        )


def typed(question: str, word: str, yes: str = ALL_YES) -> bool:
    """Whether the word was typed at the question. Raises `Refused` without a terminal; `yes` says what --yes would do."""
    _require_terminal(yes)
    try:
        return bool(typer.prompt(question, default="", show_default=False) == word)
    except typer.Abort:  # Ctrl-C or Ctrl-D at the question
        return False


@clear_errors
def back_out(
    plan_file: PlanFile = Path("plan.toml"),
    yes: Yes = False,
    from_source: Annotated[
        str,
        typer.Option(
            "--from-source",
            metavar="HOST",
            help="by what lies on production (source.address), where the run's directory is lost",
        ),
    ] = "",
) -> None:
    """Reopen production with its data, from any point of the cutover."""
    plan = load_plan(plan_file)
    if from_source:
        _back_out_from_source(plan, from_source, yes=yes)
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo back-out"):
        current = _to_go_back(plan)
        progress = Progress(current.directory / "run.log")
        progress.listen()
        plan = _plan_of_the_way_back(plan, current, progress)
        # Production must be opened whatever its secrets are like: then they may be seen.
        for poor in poor_secrets(plan):
            progress.say(f"  {poor}: what this run writes may show it", "yellow")
        for sentence in way_back.plan_back_out(current):
            progress.say(f"  {sentence}")
        hostname = plan.web.hostnames[0]

        def confirm(text: str, word: str) -> bool:
            progress.say(text, "bold yellow")
            with progress.asking():
                return yes or typed(f"Type {word} to accept", word)

        if not current.has(Opening) and not yes and not typed(f"Type {hostname} to back out", hostname):
            raise Refused(
                "the back-out",
                expected=f"{hostname}, typed at the question",
                found="something else, or nothing",
                remedy="nothing was changed; run `gonogo back-out` again when you are ready",
            )
        connections = Connections(plan, current, may_change=True)
        try:
            with _advice_when_stopped(plan, current, progress), progress.working("backing out"):
                way_back.back_out(connections, confirm)
        finally:
            connections.close()
            Pages(current).finish()
        gates = Gates(plan, current)
        with progress.working("back-out: proving"):
            gates.collect()
            result = gates.ask(["backed_out"])
            Pages(current).finish()
        if result.verdict not in PASS:
            stop(GateClosed(result, "back-out", "after"), progress)
        progress.say("backed out: production is open again with its data", "bold green")
        raise typer.Exit(exits.BACKED_OUT)


def _to_go_back(plan: Plan) -> Run:
    runs = runs_of(plan, RUNS)
    if runs:
        refuse_damaged(runs[-1])
    if not runs or ended(runs[-1], BackedOut):
        raise Refused(
            f"the plan {plan.name}",
            expected="a run to back out of",
            found="none on this machine" if not runs else f"run {runs[-1].name} is backed out already",
            remedy=f"`gonogo status` shows where things stand; {REOPEN}",
        )
    return runs[-1]


def _plan_of_the_way_back(plan: Plan, current: Run, progress: Progress) -> Plan:
    """The plan with its edits where they do no harm, else the run's own: the way back stays open in any case."""
    try:
        take_up(plan, current, STEPS)
    except PlanChanged as error:
        progress.say(f"  {error.found}; the run's own plan is used: {current.directory / PLAN}", "yellow")
        return current.own_plan(plan.path)
    return plan


def _back_out_from_source(plan: Plan, host: str, *, yes: bool) -> NoReturn:
    """The way back where the run's directory is lost or damaged."""
    if host != plan.source.address:
        raise Refused(
            f"--from-source {host}",
            expected=f"{plan.source.address}, the address of the plan's source",
            found=host,
            remedy="name the host that is to be opened again; nothing was changed",
        )
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo back-out --from-source"):
        runs = runs_of(plan, RUNS)
        if runs:
            refuse_whole_run(runs[-1])
        progress = Progress()
        progress.listen()

        def confirm(text: str, word: str, by_hand: bool) -> bool:
            progress.say(text, "bold yellow")
            who = "--yes does not answer this one" if by_hand else "--yes answers it"
            with progress.asking():
                return (yes and not by_hand) or typed(f"Type {word} to reopen production", word, who)

        connections = Connections(plan, Run(RUNS / "none-yet"), may_change=True)
        try:
            with progress.working("reopening production by what lies there"):
                left = back_out_from_source(connections, confirm)
        finally:
            connections.close()
        progress.say("production is open again", "bold green")
        for line in left:
            progress.say(f"  {line}", "yellow")
        if runs and stands_in_the_way(runs[-1]):
            progress.say(f"  before another run begins, move {runs[-1].directory} away", "yellow")
        raise typer.Exit(exits.BACKED_OUT)
