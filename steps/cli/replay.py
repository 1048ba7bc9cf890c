"""`gonogo replay RUN GATE`: what an earlier gate read, judged again by the checks of today. Nobody is asked anything."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import ValidationError

from fixtures.errors import CouldNotVerify, Refused
from fixtures.plan import load_plan
from fixtures.redaction import from_state
from fixtures.run.evidence import CheckResult, GateResult
from fixtures.run.readings import NOT_KEPT, read_readings, restore
from fixtures.run.run import Run
from steps.cli.clear_errors import clear_errors
from steps.cli.exits import NO_GO
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
    then, readings_file = _gate(Run(run_directory), gate)
    with TemporaryDirectory() as directory:
        run = restore(read_readings(readings_file), Path(directory) / "run")
        gates = Gates(plan, run, replay=readings_file.resolve())
        gates.collect()
        now = {one.id: one for one in gates.ask(sorted({name for one in then for name in one.covers})).results}
    before = {result.id: result for one in then for result in one.results}
    live = {name for name, one in now.items() if one.problem and one.problem.found == NOT_KEPT}
    differing = [
        name for name in sorted(before | now) if name not in live and _said(before.get(name)) != _said(now.get(name))
    ]
    for name in differing:
        typer.echo(f"{name}: {_said(before.get(name))} then, {_said(now.get(name))} now")
        if (found := now.get(name)) and found.problem:
            typer.echo("\n".join(f"    {line}" for line in str(found.problem).splitlines()))
    typer.echo(
        f"gate {gate}: {len(now) - len(live)} of {len(now)} checks judged again, {len(differing)} of them otherwise; "
        f"{len(live)} ask in their own way, and were not"
    )
    if differing:
        raise typer.Exit(NO_GO)


def _gate(run: Run, number: int) -> tuple[list[GateResult], Path]:
    """What a gate said, for each occasion that it was asked for at once, and the file of its readings."""
    results = []
    for path in sorted(run.gates.glob(f"{number:04d}-*.json")):
        try:
            results.append(GateResult.model_validate_json(from_state(path.read_text(encoding="utf-8"))))
        except ValidationError:
            raise CouldNotVerify(
                str(path), expected="the result of a gate", found="something else", remedy="restore it from a backup"
            ) from None
    readings = next(run.gates.glob(f"{number:04d}-*.readings"), None)
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
