"""The command line: `gonogo plan | run | status | back-out | report | lab ...`."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from fixtures import states
from fixtures.connections import Connections
from fixtures.errors import GonogoError, Refused
from fixtures.evidence import Entry, Opening, TargetFacts
from fixtures.plan import Plan, load_plan
from fixtures.run import Run, runs_of
from steps import PHASES, STEPS, exits
from steps import back_out as way_back
from steps.clear_errors import clear_errors, stop
from steps.cli_lab import lab
from steps.executor import PASS, Executor, GateClosed, choose_run, ended, finished_steps, going_back, minutes_left
from steps.gate import ROOT, Gates
from steps.lock import plan_lock
from steps.pages import Pages
from steps.preflight import preflight
from steps.progress import Progress
from steps.step import Step

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(lab, name="lab")

PlanFile = Annotated[Path, typer.Option("--plan", envvar="GONOGO_PLAN", help="the plan", show_default="plan.toml")]
RunDirectory = Annotated[Path | None, typer.Option("--run", help="a run's directory", show_default="the latest")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask; for scripts and rehearsals")]

RUNS = ROOT / "runs"


@app.command("plan")
@clear_errors
def show_plan(plan_file: PlanFile = Path("plan.toml")) -> None:
    """Read the plan, and say what a run would do, step by step. Touches nothing."""
    plan = load_plan(plan_file)
    say = Progress().say
    say(f"{plan.name}: {', '.join(plan.web.hostnames)} from {plan.source.address} to a new {plan.target.instance_type}")
    number = 0
    for phase, steps in PHASES.items():
        say(f"\n{phase}", "bold")
        for step in (step for step in steps if step.concerns(plan)):
            number += 1
            say(f"{number:3d}  {step.name:28} {step.meaning}")
            if step.destroys:
                say(f"     {'':28} destroys {step.destroys}", "yellow")
    say(f"\nback-out: `gonogo back-out`, from any point. Outage budget: {plan.cutover.outage_minutes} minutes.")


@app.command()
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
    given = {state for step in STEPS for state in step.gives}
    if until and (until not in states.MEANINGS or states.expand(until)[-1] not in given):
        raise typer.BadParameter(
            f"{until} is no state that a step gives; `gonogo plan` and `pytest --markers` list them"
        )
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo run"):
        current, resumed = choose_run(plan, RUNS, anew=new)
        progress = Progress(current.directory / "run.log")
        progress.listen()
        if resumed:
            current.journal(Entry(kind="resumed"))
        progress.say(f"{'resuming' if resumed else 'run'} {current.directory.relative_to(ROOT)}", "bold")
        try:
            if not yes:
                _somebody_answers(current, until, each=each)
            _walk(plan, current, progress, until, _asker(plan, each=each, yes=yes))
        except GonogoError as error:
            _after_closing(plan, current, progress)
            stop(error, progress)
        except (OSError, KeyboardInterrupt):
            _after_closing(plan, current, progress)
            raise


def _somebody_answers(current: Run, until: str, *, each: bool) -> None:
    """Refuse at once where a question would find nobody later on, with production closed already."""
    done = finished_steps(current)
    for step in STEPS:
        if step.name not in done and (each or "target_open" in step.gives):
            _terminal()
        if until and states.expand(until)[-1] in step.gives:
            return


def _walk(plan: Plan, current: Run, progress: Progress, until: str, confirm: Callable[[Step], bool]) -> None:
    if not current.happened("source_closed"):
        with progress.working("who is who: account, source, target"):
            connections = Connections(plan, current, may_change=False)
            try:
                preflight(connections)
            finally:
                connections.close()
    pages = Pages(current)
    try:
        Executor(plan, current, progress, STEPS, after_gate=pages.refresh).go(until or None, confirm)
    finally:
        pages.finish()
    if current.happened("accepted"):
        progress.say(f"accepted; the sign-off: {current.directory / 'signoff.html'}", "bold green")
    else:
        progress.say(f"reached {until}; `gonogo run` goes on", "bold")


def _after_closing(plan: Plan, current: Run, progress: Progress) -> None:
    """Say what an operator with production closed needs: how to go on, how to go back, and how long there is."""
    left = minutes_left(plan, current)
    if left is not None:
        where = shlex.join(["--plan", str(plan.path)])
        budget = f"{left:.0f} minutes of the outage budget are left"
        if left < 0:
            budget = f"the outage budget of {plan.cutover.outage_minutes} minutes is exceeded by {-left:.0f}"
        on = "" if going_back(current) else f"\n  go on:   gonogo run {where}"
        progress.say(f"production is closed, {budget}{on}\n  go back: gonogo back-out {where}", "bold yellow")


def _asker(plan: Plan, *, each: bool, yes: bool) -> Callable[[Step], bool]:
    hostname = plan.web.hostnames[0]

    def ask(step: Step) -> bool:
        if yes:
            return True
        if "target_open" in step.gives:
            return _typed(f"From here the target takes writes. Type {hostname} to open it", hostname)
        return not each or _typed(f"{step.name}: {step.meaning} Type yes", "yes")

    return ask


def _terminal() -> None:
    if not sys.stdin.isatty():
        raise Refused(
            "a question", expected="a terminal to ask on", found="none", remedy="give --yes where that is meant"
        )


def _typed(question: str, word: str) -> bool:
    _terminal()
    try:
        return bool(typer.prompt(question, default="", show_default=False) == word)
    except typer.Abort:  # Ctrl-C or Ctrl-D at the question
        return False


@app.command()
@clear_errors
def status(
    plan_file: PlanFile = Path("plan.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Say where the migration stands."""
    plan = load_plan(plan_file)
    runs = runs_of(plan, RUNS)
    current = runs[-1] if runs else None
    done = finished_steps(current) if current else {}
    following = next((step.name for step in STEPS if step.name not in done), None)
    left = minutes_left(plan, current) if current else None
    facts = {
        "plan": plan.name,
        "run": current.name if current else None,
        "status": _situation(current, done),
        "steps_done": len(done),
        "steps": len(STEPS),
        "next_step": following,
        "minutes_of_outage_budget_left": None if left is None else round(left, 1),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    say = Progress().say
    say(f"{plan.name}: {facts['status']}", "bold")
    if current:
        say(f"run {current.name}: {len(done)} of {len(STEPS)} steps done, next: {following or 'none'}")
        _after_closing(plan, current, Progress())
    else:
        say("no run yet; `gonogo plan` shows what one would do, `gonogo run` begins")


def _situation(current: Run | None, done: Mapping[str, object]) -> str:
    """Words that operators know from AWS's own migration services."""
    if current is None:
        return "not ready"
    for end, words in (("backed_out", "backed out"), ("accepted", "cutover complete")):
        if ended(current, end):
            return words
    if current.happened("source_closed"):
        return "cutover in progress"
    if "lower_ttl" in done:
        return "ready for cutover"
    if "rehearse" in done:
        return "test in progress"
    return "ready for testing" if "configure_nginx" in done else "not ready"


@app.command("back-out")
@clear_errors
def back_out(plan_file: PlanFile = Path("plan.toml"), yes: Yes = False) -> None:
    """Reopen production with its data, from any point of the cutover."""
    plan = load_plan(plan_file)
    with plan_lock(RUNS, plan.name, plan.operator.name, "gonogo back-out"):
        runs = runs_of(plan, RUNS)
        if not runs or ended(runs[-1], "backed_out"):
            raise Refused(
                f"the plan {plan.name}",
                expected="a run to back out of",
                found="none" if not runs else f"run {runs[-1].name} is backed out already",
                remedy="`gonogo status` shows where things stand",
            )
        current = runs[-1]
        progress = Progress(current.directory / "run.log")
        for sentence in way_back.plan_back_out(current):
            progress.say(f"  {sentence}")
        hostname = plan.web.hostnames[0]

        def confirm(text: str, word: str) -> bool:
            progress.say(text, "bold yellow")
            with progress.asking():
                return yes or _typed(f"Type {word} to accept", word)

        if not current.has(Opening) and not yes and not _typed(f"Type {hostname} to back out", hostname):
            raise Refused("the back-out", expected="your word", found="no", remedy="nothing was changed")
        connections = Connections(plan, current, may_change=True)
        try:
            with progress.working("backing out"):
                way_back.back_out(connections, confirm)
        except GonogoError as error:
            _after_closing(plan, current, progress)
            stop(error, progress)
        except (OSError, KeyboardInterrupt):
            _after_closing(plan, current, progress)
            raise
        finally:
            connections.close()
            Pages(current).finish()
        gates = Gates(plan, current)
        gates.collect()
        result = gates.after(["backed_out"])
        Pages(current).finish()
        if result.verdict not in PASS:
            stop(GateClosed(result, "back-out", "after"), progress)
        progress.say("backed out: production is open again with its data", "bold green")
        raise typer.Exit(exits.BACKED_OUT)


@app.command()
@clear_errors
def lock(
    plan_file: PlanFile = Path("plan.toml"),
    free: Annotated[
        str, typer.Option("--free", help="source or target: free its lock, when its holder is surely dead")
    ] = "",
) -> None:
    """Say who holds the locks of source and target, or free one."""
    plan = load_plan(plan_file)
    if free not in {"", "source", "target"}:
        raise Refused(f"--free {free}", expected="source or target", found=free, remedy="name one of the two")
    runs = runs_of(plan, RUNS)
    launched = bool(runs) and runs[-1].has(TargetFacts)
    connections = Connections(plan, runs[-1] if runs else Run(RUNS / "none-yet"), may_change=True)
    try:
        for name in [free] if free else ["source", *(["target"] if launched else [])]:
            host = connections.source if name == "source" else connections.target
            held = host.lock_holder()
            Progress().say(f"{name}: {held or 'free'}")
            if free and held:
                host.unlock()
                Progress().say(f"{name}: freed")
    finally:
        connections.close()


@app.command()
@clear_errors
def report(plan_file: PlanFile = Path("plan.toml"), run_directory: RunDirectory = None) -> None:
    """Write the sign-off page of a run, from its stored evidence alone."""
    if run_directory is None:
        plan = load_plan(plan_file)
        runs = runs_of(plan, RUNS)
        if not runs:
            raise Refused("the report", expected="a run", found="none yet", remedy="`gonogo run` makes one")
        run_directory = runs[-1].directory
    if not Pages(Run(run_directory)).finish():
        raise GonogoError(
            f"the report of {run_directory}",
            expected="a page",
            found="the report could not be made",
            remedy=f"see {run_directory / 'report.log'}",
        )
    typer.echo(run_directory / "signoff.html")


def main() -> None:
    """Enter at the console script `gonogo`."""
    app()
