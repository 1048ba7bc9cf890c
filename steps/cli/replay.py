"""`gonogo replay RUN GATE`: what an earlier gate read, judged again by the checks of today. Nobody is asked anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from fixtures.errors import CouldNotVerify, Refused
from fixtures.plan import Plan, load_plan
from fixtures.redaction import from_state
from fixtures.run.evidence import OWN, PASS, CheckResult, GateResult
from fixtures.run.journal import Forgotten
from fixtures.run.readings import NOT_KEPT, read_readings, restore
from fixtures.run.run import MANIFESTS, Run
from fixtures.run.sums import changed
from steps.cli.clear_errors import clear_errors
from steps.cli.exits import COULD_NOT_VERIFY, NO_GO
from steps.cli.run import PlanFile
from steps.engine.gate import Gates


@clear_errors
def replay(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="a run's directory")],
    gate: Annotated[int, typer.Argument(help="the number of one of its gates")],
    plan_file: PlanFile = Path("plan.toml"),
) -> None:
    """Judge again what a gate read, with the checks of today, and say what differs. Nobody is asked anything."""
    plan = load_plan(plan_file)
    run = Run(run_directory.resolve())
    then, readings = kept_gate(run, gate)
    with TemporaryDirectory() as directory:
        again = judge_again(plan, run, then, readings, Path(directory))
    for name in again.differing:
        typer.echo(f"{name}: {_said(again.then.get(name))} then, {_said(again.now.get(name))} now")
        if (found := again.now.get(name)) and found.problem:
            typer.echo("\n".join(f"    {line}" for line in str(found.problem).splitlines()))
    unproven = [name for name in sorted(again.not_judged & again.then.keys()) if again.then[name].outcome not in PASS]
    for name in unproven:
        typer.echo(f"{name}: {_said(again.then[name])} then, and not judged again")
    judged = len(again.now) - len(again.not_judged)
    typer.echo(
        f"gate {gate}: {judged} of {len(again.now)} checks judged again, {len(again.differing)} of them otherwise; "
        f"{len(again.not_judged)} could not be: their answers were not kept"
    )
    if again.differing:
        raise typer.Exit(NO_GO)
    if unproven:
        raise typer.Exit(COULD_NOT_VERIFY)


@dataclass(frozen=True)
class Again:
    """What checks said then and now, by their ids."""

    then: dict[str, CheckResult]
    now: dict[str, CheckResult]

    @property
    def not_judged(self) -> set[str]:
        """Checks whose answers were not kept: they cannot be judged again."""
        return {name for name, one in self.now.items() if one.problem and one.problem.found == NOT_KEPT}

    @property
    def differing(self) -> list[str]:
        """Checks that say something else now."""
        names = sorted((self.then.keys() | self.now.keys()) - self.not_judged)
        return [name for name in names if _said(self.then.get(name)) != _said(self.now.get(name))]


def judge_again(plan: Plan, run: Run, then: Sequence[GateResult], readings: Path, directory: Path) -> Again:
    """Judge the readings of one of a run's gates, with the run as it was then restored below an empty directory."""
    restored = restore(read_readings(readings), directory / run.name)
    # Each is known by its SHA-256: it cannot have been another one when the gate was asked.
    (restored.directory / MANIFESTS).symlink_to(run.directory.resolve() / MANIFESTS)
    own = next((one.own for one in then), "")
    kept = run.directory / OWN / own if own else None
    gates = Gates(plan, restored, replay=readings.resolve(), kept=kept)
    gates.collect()
    now = gates.ask(sorted({name for one in then for name in one.covers}))
    return Again({result.id: result for one in then for result in one.results}, {one.id: one for one in now.results})


def kept_gate(run: Run, number: int) -> tuple[list[GateResult], Path]:
    """What a gate said, for each occasion that it was asked for at once, and the file of its readings."""
    results, wrong = [], changed(run.directory)
    for path in sorted(run.gates.glob(f"{number:04d}-*.json")):
        damaged = CouldNotVerify(
            str(path),
            expected="the result of a gate, as it was written",
            found="something else",
            remedy="restore it from a backup, or name another gate",
        )
        if f"gates/{path.name}" in wrong:
            raise damaged
        try:
            results.append(GateResult.model_validate_json(from_state(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            raise damaged from None
    readings = next(run.gates.glob(f"{number:04d}-*.readings"), None)
    if readings is None and (forgotten := [entry for entry in run.entries() if isinstance(entry, Forgotten)]):
        raise Refused(
            f"gate {number} of {run.directory}",
            expected="a gate that kept its readings",
            found=f"a run that {forgotten[-1].who} forgot on {forgotten[-1].at:%Y-%m-%d}: nothing is left to be judged",
            remedy=f"read what its gates said: `gonogo report --run {run.directory}`",
        )
    if not results or readings is None:
        raise Refused(
            f"gate {number} of {run.directory}",
            expected="a gate that kept its readings",
            found="its result without readings" if results else "no such gate",
            remedy=f"see which there are: ls {run.gates}/*.readings",
        )
    return results, readings


def _said(result: CheckResult | None) -> str:
    return result.outcome.value if result else "not there"
