"""`gonogo checklist`: the checklist for the cutover, whenever somebody wants to read it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from fixtures.errors import GonogoError
from fixtures.plan import load_plan
from fixtures.plan.waivers import load_signed
from fixtures.run.evidence import now
from fixtures.run.run import new_run, runs_of, write_whole
from steps.cli.clear_errors import clear_errors
from steps.cli.run import RUNS, PlanFile
from steps.engine.gate import Gates
from steps.night.checklist import render


@clear_errors
def checklist(
    plan_file: PlanFile = Path("plan.toml"),
    out: Annotated[
        Path | None, typer.Option(help="a file to write; .html makes a page to print, else Markdown")
    ] = None,
) -> None:
    """Write the checklist for the cutover from the plan: window, people, steps, tests, times, and how to go back."""
    plan = load_plan(plan_file)
    form = "html" if out is not None and out.suffix in {".html", ".htm"} else "md"
    with TemporaryDirectory() as directory:
        # The checks are collected for a run of their own: a plan may have none yet, or was edited since.
        gates = Gates(plan, new_run(plan, Path(directory)))
        gates.collect()
    signed = load_signed(plan, now().astimezone().date())
    text = render(plan, runs_of(plan, RUNS), signed, form, gates.catalogue)
    if out is None:
        typer.echo(text)
        return
    try:
        write_whole(out, text)
    except OSError as error:
        raise GonogoError(
            str(out), expected="to be written", found=error.strerror or "it was not", remedy="name another file"
        ) from None
    typer.echo(out)
