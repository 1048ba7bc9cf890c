"""`gonogo hosts ...`: lets this machine reach the target under production's name, before DNS does."""

from pathlib import Path
from typing import Annotated

import typer

from fixtures.connect import hostsfile
from fixtures.errors import GonogoError, Refused
from fixtures.plan import Plan, load_plan
from fixtures.run.journal import Accepted
from fixtures.run.records import TargetFacts
from fixtures.run.run import runs_of
from steps.cli.clear_errors import clear_errors
from steps.cli.run import RUNS, PlanFile
from steps.engine.progress import Progress

hosts = typer.Typer(
    no_args_is_help=True, help="A block in this machine's hosts file that names the target, until DNS does."
)

HostsFile = Annotated[Path, typer.Option("--file", help="another hosts file")]


@hosts.command()
@clear_errors
def add(plan_file: PlanFile = Path("plan.toml"), file: HostsFile = hostsfile.PATH) -> None:
    """Point production's names to the target, on this machine alone; other lines stay as they are."""
    plan = load_plan(plan_file)
    addresses = _addresses(plan)
    text = hostsfile.read(file)
    foreign = [line for line in _about(file, text, plan) if not line.ours]
    if foreign:
        raise Refused(
            str(file),
            expected=f"no entry of its own for {', '.join(hostsfile.names(plan))}",
            found="; ".join(map(str, foreign)),
            remedy=f"take these lines out of {file} by hand: they would hide either production or the target",
        )
    new = hostsfile.added(text, plan, addresses)
    if new != text:
        hostsfile.replace(file, new)
    _say(plan, addresses, f"in {file}:")
    Progress().say("take it out again after the cutover: gonogo hosts remove", "bold")


@hosts.command()
@clear_errors
def remove(plan_file: PlanFile = Path("plan.toml"), file: HostsFile = hostsfile.PATH) -> None:
    """Take gonogo's block out again; other lines stay as they are."""
    plan = load_plan(plan_file)
    text = hostsfile.read(file)
    _about(file, text, plan)
    new = hostsfile.removed(text, plan)
    if new != text:
        hostsfile.replace(file, new)
    Progress().say(f"{file}: {'the block is gone' if new != text else 'there was no block of this plan'}")


@hosts.command()
@clear_errors
def show(plan_file: PlanFile = Path("plan.toml"), file: HostsFile = hostsfile.PATH) -> None:
    """Say what the hosts file has for production's names, and print the lines for other machines."""
    plan = load_plan(plan_file)
    found = _about(file, hostsfile.read(file), plan)
    for line in found:
        Progress().say(f"{file}, {line} ({'gonogo' if line.ours else 'not from gonogo'})")
    if not found:
        Progress().say(f"{file}: nothing for {', '.join(hostsfile.names(plan))}")
    _say(plan, _addresses(plan), f"lines that point to the target (Windows: {hostsfile.WINDOWS}):")


def _addresses(plan: Plan) -> list[str]:
    runs = runs_of(plan, RUNS)
    if not runs or not runs[-1].has(TargetFacts):
        raise Refused(
            f"the plan {plan.name}",
            expected="a target that was launched",
            found="none yet",
            remedy="`gonogo run --until ssh_ready` launches it",
        )
    if runs[-1].happened(Accepted):
        raise Refused(
            f"run {runs[-1].name}",
            expected="a target that DNS does not name yet",
            found="it was accepted: everybody reaches it by DNS",
            remedy="take an earlier block out: `gonogo hosts remove`",
        )
    facts = runs[-1].records(TargetFacts)
    # Without its own line, a machine with IPv6 would still take production's from DNS.
    return [address for address in (facts.public_address, facts.ipv6_address) if address]


def _about(file: Path, text: str, plan: Plan) -> list[hostsfile.HostsLine]:
    try:
        return hostsfile.lines_about(text, plan)
    except ValueError as error:
        raise GonogoError(
            f"the block of gonogo in {file}",
            expected="a BEGIN and an END line",
            found=str(error),
            remedy="mend the BEGIN and END lines by hand; nothing was changed",
        ) from None


def _say(plan: Plan, addresses: list[str], title: str) -> None:
    say = Progress().say
    say(title)
    for line in hostsfile.block(plan, addresses):
        say(f"  {line}")
