"""The way back from production alone: what closing changed lies there too, where the run's directory is lost or damaged."""

from collections.abc import Callable

from pydantic import ValidationError

from fixtures.connect.connections import Connections
from fixtures.errors import CouldNotVerify, GonogoError, Refused
from fixtures.facts import files
from fixtures.facts.fact import ask
from fixtures.run.journal import BackedOut, SourceClosed
from fixtures.run.places import CLOSURE
from fixtures.run.records import ClosedBy
from fixtures.run.run import Run
from fixtures.run.sums import refuse_damaged
from steps.back_out.back_out import put_closure_aside, reopen
from steps.engine.executor import ended, over
from steps.night.cutover import OPENED_ELSEWHERE
from steps.night.notices import withdraw
from steps.rehearse.readiness import await_site
from steps.tools.units import running_units


def back_out_from_source(connections: Connections, confirm: Callable[[str, str, bool], bool]) -> list[str]:
    """Reopen production by what lies there; what is left for the operator, a line each.

    `confirm` shows a text, asks for the word, and says whether it was typed; the last argument says that nobody may answer for
    the operator. Raises `Refused` where nothing says that gonogo closed it, where it says so of another host or database, and where
    `confirm` says no; what connections raise, too. Done again, it finishes what was interrupted.
    """
    plan, source = connections.plan, connections.open_source
    closed = _closed_by(connections)
    opened = ask(source, files.text(str(OPENED_ELSEWHERE))).strip()
    price = (
        f"The target was opened ({opened}). What users wrote there production will lack, and nothing counts or saves it here. "
        "Close the target first: take its rules for the web out of its security group. Do not stop it: an instance store would lose them."
        if opened
        else "The target was not opened: production has every write."
    )
    holder, work = source.lock_holder(), running_units(source, closed.run)
    busy = f" {holder} holds the host's lock: go on only where that is surely dead." if holder else ""
    if work:
        busy += f" {', '.join(work)} is still at work there, and is ended first."
    text = f"Production was closed by run {closed.run} at {closed.closed:%Y-%m-%d %H:%M} UTC. {price}{busy}"
    word = plan.web.hostnames[0]
    if not confirm(text, word, bool(opened or holder)):
        raise Refused(
            "the back-out from production",
            expected=f"{word}, typed at the question",
            found="something else, or nothing",
            remedy="nothing was changed; run the same command again when you are ready",
        )
    reopen(connections, closed, closed.run)
    withdrawn = withdraw(source, plan)
    await_site(plan, str(plan.source.public_address), connections.web)
    put_closure_aside(source)
    left = [f"{unit} was ended: nothing is copied from production any more" for unit in work]
    left += [f"{path}: the notice was taken off production" for path in withdrawn]
    if holder := source.lock_holder():
        left.append(f"the host's lock is held by {holder}; where that is surely dead: gonogo lock --free source")
    return [*left, *_elsewhere(connections)]


def refuse_whole_run(run: Run) -> None:
    """Raise `Refused` where the directory of a run that closed production can be read: its back-out knows and does more."""
    try:
        refuse_damaged(run)
        closed_it = run.happened(SourceClosed) and not ended(run, BackedOut)
    except (GonogoError, OSError):
        return
    if closed_it:
        raise Refused(
            f"run {run.directory}",
            expected="a directory that is lost or damaged",
            found="one that can be read",
            remedy="`gonogo back-out` without --from-source: it fences the target and restores DNS too",
        )


def stands_in_the_way(run: Run) -> bool:
    """Whether the directory of a run keeps another one from beginning: it is damaged, or it says that production is closed."""
    try:
        refuse_damaged(run)
        return run.happened(SourceClosed) and not over(run)
    except (GonogoError, OSError):
        return True


def _closed_by(connections: Connections) -> ClosedBy:
    """What production says of its closing, once the host and its database are proven to be those that it speaks of."""
    source, db = connections.open_source, connections.open_source_db
    text = ask(source, files.text(str(CLOSURE)))
    if not text:
        raise Refused(
            f"{CLOSURE} on the source",
            expected="what closing changed",
            found="no such file",
            remedy="gonogo did not close this host, or it is open again; nothing was changed",
        )
    try:
        closed = ClosedBy.model_validate_json(text)
    except ValidationError as error:
        raise CouldNotVerify(
            f"{CLOSURE} on the source",
            expected="what closing changed, as gonogo wrote it",
            found=f"{error.error_count()} mistakes, the first at {'.'.join(map(str, error.errors()[0]['loc']))}",
            remedy="open production by hand: the file's units, cron files, roles, the block in pg_hba.conf and nginx's main file; nothing was changed",
        ) from None
    found = {
        "its machine id": (closed.machine_id, source.read_file("/etc/machine-id").strip()),
        "its PostgreSQL cluster": (closed.system_identifier, db.identity()),
    }
    for what, (expected, is_now) in found.items():
        if expected != is_now:
            raise Refused(
                f"the source, {what}",
                expected=f"{expected}, as {CLOSURE} there says",
                found=is_now,
                remedy="nothing was changed; see which host the plan's [source] leads to",
            )
    return closed


def _elsewhere(connections: Connections) -> list[str]:
    """What DNS still says of the plan's records, where that is not production."""
    plan, lines = connections.plan, []
    for record in plan.dns.records:
        own = str(plan.source.address_for(record.type))
        for server in plan.dns.authoritative:
            try:
                values = connections.dns.ask(server, record.name, record.type).values
            except CouldNotVerify as error:
                lines.append(f"{record} on {server.name}: not known ({error.found}); it must be {own}")
                continue
            if values != (own,):
                lines.append(f"{record} on {server.name}: {', '.join(values) or 'no record'}; change it to {own}")
    return lines
