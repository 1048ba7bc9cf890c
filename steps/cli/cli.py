"""The command line: `gonogo discover | plan | run | rehearse | status | back-out | lock | report | forget | checklist | hosts | lab`."""

import json
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from fixtures import environment
from fixtures.connect.connections import Connections
from fixtures.errors import GonogoError, Refused
from fixtures.plan import load_plan
from fixtures.redaction import Redacting
from fixtures.run.journal import Accepted, BackedOut, Forgotten, SourceClosed
from fixtures.run.own import read_own
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run, runs_of
from fixtures.run.standing import clock, standing
from fixtures.run.sums import REOPEN, refuse_damaged
from steps import PHASES, STEPS
from steps.cli import checklist as cli_checklist
from steps.cli import run as cli_run
from steps.cli.clear_errors import clear_errors
from steps.cli.discover import discover
from steps.cli.forget import forget
from steps.cli.hosts import hosts
from steps.cli.lab import lab
from steps.cli.replay import replay
from steps.cli.run import RUNS, PlanFile, after_closing
from steps.engine import guards
from steps.engine.executor import ended, finished_steps, going_back, minutes_left, over, where_it_stands
from steps.engine.pages import Pages
from steps.engine.progress import Progress

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command()(discover)
app.command()(cli_run.run)
app.command()(cli_run.rehearse)
app.command("back-out")(cli_run.back_out)
app.command("checklist")(cli_checklist.checklist)
app.command()(replay)
app.command()(forget)
app.add_typer(hosts, name="hosts")
app.add_typer(lab, name="lab")

RunDirectory = Annotated[Path | None, typer.Option("--run", help="a run's directory", show_default="the latest")]


@app.command("plan")
@clear_errors
def show_plan(plan_file: PlanFile = Path("plan.toml")) -> None:
    """Read the plan, and say what a run would do, step by step. Touches nothing."""
    plan = load_plan(plan_file)
    own = read_own(plan)
    say = Progress().say
    say(f"{plan.name}: {', '.join(plan.web.hostnames)} from {plan.source.address} to a new {plan.target.instance_type}")
    if own:
        say(f"own checks: {', '.join(own.files)}")
    number = 0
    for phase, steps in PHASES.items():
        say(f"\n{phase}", "bold")
        for step in (step for step in steps if step.concerns(plan)):
            number += 1
            say(f"{number:3d}  {step.name:28} {step.meaning}")
            if step.destroys:
                say(f"     {'':28} destroys {step.destroys}", "yellow")
            if step.writes_to_source:
                say(f"     {'':28} on production: {step.writes_to_source}", "yellow")
    say(f"\nback-out: `gonogo back-out`, from any point. Outage budget: {plan.cutover.outage_minutes} minutes.")


@app.command()
@clear_errors
def status(
    plan_file: PlanFile = Path("plan.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, for scripts")] = False,
) -> None:
    """Say where the migration stands."""
    plan = load_plan(plan_file)
    runs = runs_of(plan, RUNS)
    current = runs[-1] if runs else None
    if current:
        refuse_damaged(current)
    done = finished_steps(current) if current else {}
    steps = [step for step in STEPS if step.concerns(plan)]
    back = current is not None and going_back(current)
    following = None if back else next((step.name for step in steps if step.name not in done), None)
    stands = standing(current.entries() if current else ())
    left = minutes_left(plan, current) if current else None
    facts = {
        "plan": plan.name,
        "run": current.name if current else None,
        "status": _situation(current, done),
        "steps_done": len(done),
        "steps": len(steps),
        "next_step": following,
        "serves_users": stands.serves,
        "production_closed_since": stands.closed and stands.closed.isoformat(),
        "target_open_since": stands.opened and stands.opened.isoformat(),
        "minutes_of_outage_budget_left": None if left is None else round(left, 1),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    say = Progress().say
    say(f"{plan.name}: {facts['status']}", "bold")
    if current:
        say(f"run {current.name}: {len(done)} of {len(steps)} steps done, next: {following or 'none'}")
        if current.happened(Forgotten) and not over(current):
            say("it was forgotten, and `gonogo run` will not go on with it; `gonogo run --new` begins another")
        if not where_it_stands(plan, current):
            say(stands.sentence(clock))
        after_closing(plan, current, Progress())
    else:
        say("no run is on this machine; `gonogo plan` shows what one would do, `gonogo run` begins")
        say(f"if one was, and is lost: {REOPEN}")


def _situation(current: Run | None, done: Mapping[str, object]) -> str:
    """The run's situation, in the terms of AWS's own migration services."""
    if current is None:
        return "not ready"
    for end, words in ((BackedOut, "backed out"), (Accepted, "cutover complete")):
        if ended(current, end):
            return words
    if going_back(current):
        return "back-out in progress"
    if current.happened(SourceClosed):
        return "cutover in progress"
    if "lower_ttl" in done:
        return "ready for cutover"
    if "rehearse" in done:
        return "test in progress"
    return "ready for testing" if "configure_nginx" in done else "not ready"


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
                if name == "source":
                    guards.prove_source(host, connections.run)
                else:
                    guards.prove_target(connections)
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
            raise Refused(
                f"the plan {plan.name}",
                expected="a run to report on",
                found="none yet",
                remedy="`gonogo run` makes one",
            )
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
    """Run the command line; what it prints passes through redaction."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character ends no migration
    sys.stdout, sys.stderr = Redacting(sys.stdout), Redacting(sys.stderr)
    # A lab reaches nobody; its downloads may need the operator's proxy.
    if sys.argv[1:2] != ["lab"] and (words := environment.ignored(environment.clean())):
        typer.echo(words, err=True)
    app()
