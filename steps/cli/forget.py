"""`gonogo forget RUN`: what may hold personal data or secrets is erased from a run; its evidence stays."""

import getpass
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from fixtures.errors import GonogoError, Refused
from fixtures.run import forgetting
from fixtures.run.evidence import FORGOTTEN, FORMAT_FILE, JOURNAL, PLAN, refuse_other_format
from fixtures.run.journal import SourceClosed
from fixtures.run.records import SourceClosure
from fixtures.run.run import Run
from fixtures.run.sums import refuse_damaged
from steps.cli.clear_errors import clear_errors
from steps.cli.run import RUNS, Yes, typed
from steps.engine.executor import going_back, over
from steps.engine.lock import plan_lock
from steps.engine.pages import Pages
from steps.engine.progress import Progress


@clear_errors
def forget(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="a run's directory")], yes: Yes = False
) -> None:
    """Erase from a run what may hold personal data or secrets. Verdicts, times and digests stay. There is no way back."""
    run = Run(run_directory.resolve())
    plan = _plan_of(run)
    who = getpass.getuser()
    with plan_lock(RUNS, plan, who, f"gonogo forget {run.name}"):
        _refuse_needed(run)
        found = forgetting.holdings(run.directory)
        refuse_damaged(run)
        if found.left:
            _show(run, found)
            _require_consent(run, yes=yes)
            forgetting.forget(run, found, who)
        # Always: pages that were made just before the evidence was forgotten would quote it.
        forgetting.remove_pages(run.directory)
        if not Pages(run).finish():
            raise GonogoError(
                f"the pages of {run.name}",
                expected="to be made anew of what stays",
                found="they could not be made",
                remedy=f"all else is forgotten, and the old pages are gone; see {run.directory / 'report.log'}",
            )
    done = f"forgotten; what stays: {run.directory / 'signoff.html'}"
    Progress().say(done if found.left else f"nothing is left to forget in run {run.name}", "bold green")


def _plan_of(run: Run) -> str:
    """The name of the plan that a run is of; raises `Refused` where there is no run, or one of another format."""
    if (run.directory / JOURNAL).exists():
        refuse_other_format(run.directory)
    try:
        (run.directory / FORMAT_FILE).stat()
        return str(tomllib.loads((run.directory / PLAN).read_text(encoding="utf-8"))["name"])
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError):
        raise Refused(
            str(run.directory),
            expected=f"a run's directory, with the files {FORMAT_FILE} and {PLAN}",
            found="a directory without them, or with no plan in them" if run.directory.is_dir() else "no directory",
            remedy="name a directory below runs/; nothing was erased",
        ) from None


def _refuse_needed(run: Run) -> None:
    """Raise `Refused` while somebody may have to go on with the run, or back."""
    closed = run.happened(SourceClosed) or run.has(SourceClosure)
    if going_back(run) or (closed and not over(run)):
        raise Refused(
            f"run {run.name}",
            expected="a run that is proven to be accepted or backed out, or that never closed production",
            found="its back-out began and is not finished"
            if going_back(run)
            else "it closed production, and is not over",
            remedy="bring it to its end with `gonogo run` or `gonogo back-out`; nothing was erased",
        )


def _show(run: Run, found: forgetting.Holdings) -> None:
    """Say what is erased, and what stays."""
    say = Progress().say
    say(f"run {run.name}: what may hold personal data or secrets is erased", "bold")
    for what, paths in found.erased.items():
        if paths:
            say(f"  {_amount(paths):>24}  {what}")
    if found.rewritten:
        say(f"  {_amount(found.rewritten):>24}  stay, with {FORGOTTEN} in the place of messages and names")
    say(f"  {_amount(found.kept):>24}  stay as they are")
    for path in found.strange:
        say(f"  not gonogo's, and left as it is: {path.relative_to(run.directory)}", "yellow")
    if not over(run):
        say("  this run is not over: `gonogo run` will not go on with it", "yellow")


def _amount(paths: Iterable[Path]) -> str:
    sizes = [path.stat().st_size for path in paths]
    return f"{len(sizes)} file{'s' if len(sizes) != 1 else ''}, {sum(sizes) / 1000:.1f} kB"


def _require_consent(run: Run, *, yes: bool) -> None:
    if not yes and not typed(f"There is no way back. Type {run.name} to forget it", run.name, "--yes answers it"):
        raise Refused(
            f"forgetting run {run.name}",
            expected=f"{run.name}, typed at the question",
            found="something else, or nothing",
            remedy="nothing was erased; give the same command again when you are ready",
        )
