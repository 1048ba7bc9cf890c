"""`gonogo lab ...`: the embedded lab, and the demonstration in it."""

import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from fixtures.errors import GonogoError, Refused
from fixtures.lab import control, faults, planfile, snapshots
from fixtures.lab.dns.ttl import set_ttl
from fixtures.lab.hosts import images
from fixtures.lab.places import LabStatus
from fixtures.lab.production import productions
from fixtures.lab.production.production import SMALLPAYROLL
from fixtures.lab.users import ledger
from fixtures.lab.variants import FIRST, VARIANTS
from fixtures.plan import Plan, load_plan
from fixtures.policy.dnsclock import clock_file
from fixtures.run.evidence import now
from fixtures.run.journal import Accepted, BackedOut
from fixtures.run.records import SourceClosure, Users
from fixtures.run.run import Run, runs_of
from steps.cli import lab_drill as cli_lab_drill
from steps.cli.clear_errors import clear_errors
from steps.cli.run import RUNS
from steps.engine.executor import ended
from steps.engine.progress import Progress
from steps.engine.suite import ROOT

lab = typer.Typer(no_args_is_help=True, help="A whole migration on this machine: real hosts, only Amazon is imitated.")

VariantName = Annotated[str, typer.Option("--variant", help=f"which migration: {' | '.join(VARIANTS)}")]
ProductionName = Annotated[
    str, typer.Option("--production", help=f"which application: {' | '.join(productions.PRODUCTIONS)}")
]
Name = Annotated[str, typer.Option("--name", help="which lab; several can be up side by side")]

DEMO_TTL = 20
"""Seconds: longer than the plan's own, so that there is an old TTL to wait for, but not for long."""
USERS_AFTER_SECONDS = 5
"""How long the demonstration lets users work on the target after acceptance."""


def _say(line: str) -> None:
    Progress().say(f"  {line}")


@lab.command()
@clear_errors
def up(
    name: Name = "lab",
    production: ProductionName = SMALLPAYROLL.name,
    variant: VariantName = FIRST.name,
    rehearsed: Annotated[
        bool, typer.Option("--rehearsed", help="bring it up rehearsed, as it stands before the cutover")
    ] = False,
    ttl: Annotated[
        int | None, typer.Option(min=1, help="of production's DNS records, in seconds", show_default="3600")
    ] = None,
) -> None:
    """Bring a lab up; one that is up already stays as it is."""
    if rehearsed and production not in planfile.PLANS:
        raise Refused(
            f"a rehearsed lab of {production}",
            expected=f"one of {', '.join(planfile.PLANS)}, for which the lab has a plan",
            found=production,
            remedy="leave --rehearsed out, and draft a plan with the command that the lab then names",
        )
    restore = None
    anew = control.lab_status(name).state == "down"
    if rehearsed and anew:
        restore = snapshots.rehearsed_snapshot(name, variant)
        if not snapshots.usable(restore):
            _make_snapshot(name, variant, restore)
    status = control.lab_up(name, progress=_say, production=production, variant=variant, restore=restore)
    if restore is not None:
        _bring_back_run(restore)
    elif anew and status.plan.exists():
        _set_aside(load_plan(status.plan))
    if ttl is not None:
        set_ttl(name, ttl)
    if not status.plan.exists():
        _say_how_to_discover(status)
        return
    Progress().say(f"lab {name} is up; its plan: {status.plan}", "bold")
    if not _link(status.plan):
        Progress().say(
            f"the plan.toml here is your own and stays the default: name the lab's with --plan {status.plan}, or your own"
            " migration is meant",
            "bold yellow",
        )


def _say_how_to_discover(status: LabStatus) -> None:
    Progress().say(
        f"lab {status.name} is up; it has no plan for {status.production} yet.\n"
        f"survey its production and draft one: sh {status.directory / planfile.DISCOVER}",
        "bold",
    )


def _make_snapshot(name: str, variant: str, to: Path) -> None:
    """Run everything before the cutover once, and keep the lab and the run as they then are."""
    Progress().say("there is no rehearsed lab yet: everything before the cutover is run once and kept", "bold")
    # A restored lab has the number it had: those of a rehearsed one and of one that comes up meanwhile must differ.
    status = control.lab_up(name, snapshots.number(name), progress=_say, variant=variant)
    done = subprocess.run(
        cli_lab_drill.gonogo(status.plan, "run", "--yes", "--new", "--until", "night_prepared"), check=False
    )
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    run = runs_of(load_plan(status.plan), RUNS)[-1]
    snapshots.drop_old_snapshots(name, variant, to)
    shutil.copytree(run.directory, status.directory / "run" / run.name)
    control.lab_call(name, "save", to)
    control.lab_down(name, progress=_say)


def _bring_back_run(restore: Path) -> None:
    """Make the run of the snapshot the latest one of its plan again."""
    (kept,) = (restore / "run").iterdir()
    _set_aside(load_plan(kept / "plan.toml"), since=kept.name)
    shutil.copytree(kept, RUNS / kept.name)


def _set_aside(plan: Plan, since: str = "") -> None:
    """Take runs that did not end, and all from `since` on, out of the way: the lab that they were made in is gone.

    So is its DNS clock: another lab's name servers were never seen.
    """
    clock_file(plan, Run(RUNS / "none")).unlink(missing_ok=True)
    for run in runs_of(plan, RUNS):
        if (since and run.name >= since) or not (ended(run, Accepted) or ended(run, BackedOut)):
            aside = run.directory.with_name(f"{run.name}-lab-gone")
            while aside.exists():
                aside = aside.with_name(f"{aside.name}-again")
            run.directory.rename(aside)


def _link(plan: Path) -> bool:
    """Make the lab's plan the default one of this checkout, unless somebody has a plan of their own here."""
    default = ROOT / "plan.toml"
    if default.exists() and not default.is_symlink():
        return False
    default.unlink(missing_ok=True)
    default.symlink_to(plan)
    return True


@lab.command()
@clear_errors
def down(
    name: Name = "lab",
    every: Annotated[bool, typer.Option("--all", help="every lab of this machine")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="remove the cached images too")] = False,
) -> None:
    """Take a lab down; nothing of it is left."""
    for lab_name in control.lab_names() if every else [name]:
        control.lab_down(lab_name, progress=_say)
    if forget:
        images.forget()
    default = ROOT / "plan.toml"
    if default.is_symlink() and not default.exists():
        default.unlink()


@lab.command()
@clear_errors
def status(name: Name = "lab") -> None:
    """Say what runs in a lab."""
    found = control.lab_status(name)
    say = Progress().say
    shown = f", {found.production}, the {found.variant} variant" if found.variant else ""
    say(f"lab {name}: {found.state}{shown}", "bold")
    for host in found.hosts:
        say(f"  {host.name:22} {host.address:16} {'running' if host.running else 'stopped'}")
    if found.state == "up":
        plan = found.plan if found.plan.exists() else f"none yet: sh {found.directory / planfile.DISCOVER}"
        say(f"  users: {'at work' if found.users else 'none'}\n  plan: {plan}")


@lab.command()
@clear_errors
def shell(host: str, name: Name = "lab") -> None:
    """Open a root shell in a host of the lab."""
    raise typer.Exit(control.lab_shell(name, host))


@lab.command("break")
@clear_errors
def break_(fault: Annotated[str, typer.Argument(help=", ".join(faults.FAULTS))], name: Name = "lab") -> None:
    """Break one thing on purpose, to see a check fail."""
    broken = faults.break_it(name, fault)
    Progress().say(f"{broken.meaning}\n  see it: pytest checks/ -m {broken.state}\n  mend it: gonogo lab mend {fault}")


@lab.command()
@clear_errors
def mend(fault: str, name: Name = "lab") -> None:
    """Undo what `break` did."""
    Progress().say(f"mended: {faults.mend(name, fault).meaning}")


@lab.command()
@clear_errors
def users(action: Annotated[str, typer.Argument(help="start | stop")], name: Name = "lab", rate: float = 10.0) -> None:
    """Start the lab's users, who log in, browse and write, or stop them."""
    if action not in {"start", "stop"}:
        raise typer.BadParameter(f"{action}: start or stop")
    control.lab_call(name, "users", *(("start", rate) if action == "start" else ("stop",)))


@lab.command()
@clear_errors
def drill(
    name: Name = "drill",
    who: Annotated[str, typer.Option(help="who rehearses: stands in the attestation")] = "the lab's operator",
) -> None:
    """Rehearse the back-out from after every step of the cutover, with users at work."""

    def bring_up() -> Path:
        up(name, rehearsed=True, ttl=DEMO_TTL)
        return control.lab_status(name).plan

    say = Progress().say
    control.lab_down(name, progress=lambda _: None)
    drilled = []
    for trial in cli_lab_drill.drill(name, bring_up):
        drilled.append(trial)
        say(
            f"{trial.step:26} {trial.wrong or f'production is open again after {trial.seconds} s'}",
            "red" if trial.wrong else "green",
        )
    if any(trial.wrong for trial in drilled):
        raise typer.Exit(1)
    say(f"\nfor your plan's waivers file:\n{cli_lab_drill.attestation(drilled, who)}")


@lab.command()
@clear_errors
def demo(
    name: Name = "demo",
    variant: VariantName = FIRST.name,
    keep: Annotated[bool, typer.Option("--keep", help="leave the lab up afterwards")] = False,
    ttl: Annotated[int, typer.Option(min=1, help="of production's DNS records, in seconds")] = DEMO_TTL,
) -> None:
    """Move SmallPayroll from production to a launched instance, with users at work, and write the sign-off."""
    begun = time.monotonic()
    say = Progress().say
    say(f"1. a lab: production, name servers, users, and an imitation of EC2 ({name})", "bold")
    control.lab_down(name, progress=lambda _: None)
    lab_status = control.lab_up(name, progress=_say, variant=variant)
    set_ttl(name, ttl)
    plan = load_plan(lab_status.plan)
    _set_aside(plan)
    control.lab_call(name, "users", "start")
    say("2. the migration", "bold")
    done = subprocess.run(cli_lab_drill.gonogo(lab_status.plan, "run", "--yes", "--new"), check=False)
    if done.returncode != 0:
        say(f"the lab stays up: gonogo lab shell HOST --name {name}; gonogo status --plan {lab_status.plan}", "yellow")
        raise typer.Exit(done.returncode)
    run = runs_of(plan, RUNS)[-1]
    time.sleep(USERS_AFTER_SECONDS)
    control.lab_call(name, "users", "stop")
    say("3. what the users saw", "bold")
    seen = measure_users(name, run)
    subprocess.run(
        cli_lab_drill.gonogo(lab_status.plan, "report", "--run", str(run.directory)),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    say(
        f"  write gap {_seconds(seen.write_gap_seconds)}, outage {_seconds(seen.outage_seconds)}; "
        f"{seen.acknowledged} writes acknowledged, {len(seen.lost)} lost; "
        f"{seen.served_by_target} requests served by the target"
    )
    if not keep:
        control.lab_down(name, progress=lambda _: None)
    say(
        f"accepted, in {timedelta(seconds=int(time.monotonic() - begun))}; the report: {run.directory / 'signoff.html'}",
        "bold",
    )
    if seen.lost:
        raise typer.Exit(1)


def measure_users(name: str, run: Run) -> Users:
    """Hold the users' ledger against the target's database, and record it in the run.

    Raises `GonogoError` when the ledger or the database cannot be read.
    """
    directory = control.lab_status(name).directory
    requests = ledger.read(directory / "ledger.jsonl")
    promised = ledger.acknowledged(requests)
    # Those acknowledged at the very start of a snapshot's life belong to the database too: compare as sets.
    stored = _stored_references(name)
    closed = run.records(SourceClosure).closed if run.has(SourceClosure) else now()
    plan = load_plan(run.directory / "plan.toml")
    served = ledger.served_by(requests, closed)
    seen = Users(
        write_gap_seconds=ledger.write_gap(requests, plan.source.addresses),
        outage_seconds=ledger.outage(requests).longest,
        acknowledged=len(promised),
        lost=sorted(promised - stored),
        served_by_target=sum(n for address, n in served.items() if address not in plan.source.addresses),
    )
    run.record(seen)
    return seen


def _stored_references(name: str) -> set[str]:
    """References of all writes of users in the target's database."""
    held = control.lab_production(name)
    command = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", held.database, "-c", held.references]
    code, out, errors = control.lab_call(name, "run", faults.instance(name), command)
    if code != 0:
        raise GonogoError(
            "the users' writes in the target's database",
            expected="a list",
            found=errors.decode(errors="replace"),
            remedy="see the lab's log",
        )
    return set(out.decode().split("\n"))


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} s"
