"""The back-out drill: in the lab, production is brought back from after every step of the cutover."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fixtures.connect.connections import Connections
from fixtures.errors import GonogoError
from fixtures.facts.fact import ask
from fixtures.facts.network import BrowseFact
from fixtures.lab import control
from fixtures.lab.users import ledger
from fixtures.plan import Plan, load_plan
from fixtures.run.journal import BackedOut
from fixtures.run.run import runs_of
from steps import CUT_OVER
from steps.cli import exits
from steps.cli.run import RUNS
from steps.engine.executor import ended
from steps.engine.suite import ROOT

SETTLE_SECONDS = 3.0
"""How long users work on after each back-out, so that their requests show which host serves them."""


@dataclass(frozen=True)
class Drilled:
    """One back-out: after which step it began, how long it took in seconds, and what was wrong with it ("" for nothing)."""

    step: str
    seconds: float
    wrong: str


def drill(name: str, bring_up: Callable[[], Path]) -> Iterator[Drilled]:
    """Back out after each step of the cutover, each time in a rehearsed lab that `bring_up` brings up (its plan's path).

    Users are at work meanwhile. Raises `GonogoError` when the lab cannot come up.
    """
    plan_path = bring_up()
    plan = load_plan(plan_path)
    for number, step in enumerate(step for step in CUT_OVER if step.concerns(plan)):
        if number:
            bring_up()
        control.lab_call(name, "users", "start")
        wrong = _gonogo(plan_path, 0, "run", "--yes", "--until", step.gives[-1])
        begun = time.monotonic()
        wrong = wrong or _gonogo(plan_path, exits.BACKED_OUT, "back-out", "--yes")
        seconds = time.monotonic() - begun
        if not wrong:
            time.sleep(SETTLE_SECONDS + plan.dns.ttl)
            wrong = _not_back(name, plan)
        control.lab_call(name, "users", "stop")
        control.lab_down(name, progress=lambda _: None)
        yield Drilled(step.name, round(seconds, 1), wrong)


def gonogo(plan: Path, *arguments: str) -> list[str]:
    """The command line that runs gonogo on this plan in a process of its own."""
    return [sys.executable, "-m", "steps", arguments[0], "--plan", str(plan), *arguments[1:]]


def _gonogo(plan: Path, wanted: int, *arguments: str) -> str:
    done = subprocess.run(
        gonogo(plan, *arguments), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    printed = (done.stdout + done.stderr).strip()
    return (
        "" if done.returncode == wanted else f"`gonogo {' '.join(arguments)}` ended with {done.returncode}:\n{printed}"
    )


def _not_back(name: str, plan: Plan) -> str:
    """What speaks against production being open again for the users, by evidence and by asking as they do."""
    run = runs_of(plan, RUNS)[-1]
    if not ended(run, BackedOut):
        return f"run {run.name} is not proven to be backed out"
    connections = Connections(plan, run, may_change=False)
    try:
        for resolver in plan.dns.resolvers:
            for record in plan.dns.records:
                answer = connections.dns.ask(resolver, record.name, record.type)
                own = str(plan.source.address_for(record.type))
                if answer.values != (own,):
                    return f"{resolver.name} says {', '.join(answer.values)} for {record}, not {own}"
        failed = []
        for address in plan.source.addresses:
            browsed = ask(connections.web, BrowseFact(address, plan.smoke, tuple(plan.web.pages)))
            failed += [f"{page} at {address}" for page in browsed.failed(plan.smoke.signed_in_text)]
    except GonogoError as error:
        return str(error)
    finally:
        connections.close()
    if failed:
        return f"on production failed: {', '.join(failed)}"
    last = ledger.read(control.lab_status(name).directory / "ledger.jsonl")[-20:]
    refused = [request for request in last if not request.good]
    return f"{len(refused)} of the users' last {len(last)} requests failed" if refused else ""


def attestation(drilled: list[Drilled], who: str) -> str:
    """The lines for the plan's waivers file that say what was rehearsed, when, and by whom."""
    steps = ", ".join(trial.step for trial in drilled)
    slowest = max(trial.seconds for trial in drilled)
    return (
        '[[attestation]]\nwhat = "back-out drill"\n'
        f'who = "{who}"\n'
        f"when = {datetime.now(UTC).isoformat(timespec='seconds')}\n"
        f'how = "in the lab, backed out after {steps}; the slowest took {slowest} s"\n'
    )
