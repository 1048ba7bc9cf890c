"""What the sign-off says in words: the verdict first, where production stands, what to do, and what is left."""

from fixtures.run.evidence import PASS, Verdict
from fixtures.run.standing import standing as stands
from reports.models import Data, Figure, Files, SignOff, Status, Trouble
from reports.words import changed_lines, counted, duration, minute, number

MILESTONES = (
    ("source_surveyed", "survey production"),
    ("notice_published", "tell users when production will be closed"),
    ("instance_running", "launch the instance"),
    ("application_running", "build the target and copy production's data for a rehearsal"),
    ("rehearsed", "rehearse under production's name"),
    ("night_prepared", "write the checklist, and have every risk signed"),
    ("ttl_lowered", "lower the DNS records' TTL"),
    ("source_closed", "close production"),
    ("final_data_copied", "copy the database of the closed production"),
    ("final_files_copied", "copy the uploads of the closed production"),
    ("target_open", "open the target to users"),
    ("dns_changed", "change DNS"),
    ("accepted", "accept the result through public DNS"),
)
"""State -> what has to be done to reach it. A state that no gate confirmed is a thing not done yet."""


def _host(sign: SignOff) -> str:
    return sign.plan.hostnames[0] if sign.plan.hostnames else sign.plan.name or sign.run


def _at(sign: SignOff, kind: str) -> str:
    """Since when, for the last moment of this kind; empty when it never came."""
    return next((minute(event.at) for event in reversed(sign.events) if event.kind == kind), "")


def _last_step(sign: SignOff) -> str:
    steps = sorted(sign.steps, key=lambda step: step.attempts[-1].started)
    return steps[-1].name if steps else ""


def _proofs(sign: SignOff) -> list[str]:
    parts = []
    if sign.outage and sign.outage.seconds is not None:
        parts.append(f"outage {duration(sign.outage.seconds)}")
    if sign.data and sign.data.proven and sign.data.final:
        parts.append(f"{counted(sign.data.rows, 'row')} in {counted(len(sign.data.tables), 'table')} proven equal")
    if sign.files and sign.files.proven and sign.files.final:
        parts.append(counted(sign.files.files, "file") + ("" if sign.data and sign.data.proven else " proven equal"))
    if sign.waivers:
        parts.append(f"{counted(len(sign.waivers), 'failed check')} waived")
    return parts


def _named(trouble: Trouble | None, *, forgotten: bool) -> str:
    """What is wrong, in half a sentence; of a run that was forgotten only what was claimed is known."""
    if trouble is None:
        return "no reason was left"
    problem = trouble.problem
    if problem and not forgotten:
        return f"{_short(problem.subject)}: expected {_short(problem.expected)}, found {_short(problem.found)}"
    return _short(trouble.title)


def _short(text: str, most: int = 90) -> str:
    line = text.partition("\n")[0].rstrip(" .:")
    return line if len(line) <= most else line[: most - 1].rstrip() + "\u2026"


def verdict(sign: SignOff) -> str:
    """The whole run in one sentence."""
    host, step = _host(sign), _last_step(sign)
    closed_for = sign.outage.seconds if sign.outage else None
    after = f" after the step {step}" if step else ""
    first = sign.troubles[0] if sign.troubles else None
    others = f" (and {len(sign.troubles) - 1} more)" if len(sign.troubles) > 1 else ""
    subject = _named(first, forgotten=bool(sign.forgotten))
    match sign.status:
        case Status.ACCEPTED:
            since = _at(sign, "target_open") or _at(sign, "accepted")
            instance = sign.target.instance_id if sign.target else "the target"
            return "; ".join([f"Accepted: {host} runs on {instance} since {since}", *_proofs(sign)]) + "."
        case Status.BACKED_OUT:
            outage = f"; it was closed for {duration(closed_for)}" if closed_for is not None else ""
            return f"Backed out: {host} runs on the old host again since {_at(sign, 'backed_out')}{outage}."
        case Status.NO_GO:
            return f"No-go: {subject}{others}."
        case Status.COULD_NOT_VERIFY:
            return f"Could not verify: {subject}{others}."
        case Status.FAILED:
            return f"Failed in the step {step}: {subject}."
        case Status.INTERRUPTED:
            return f"Interrupted by the operator{after}."
        case Status.STOPPED:
            return f"Stopped in the middle of the step {step}: the journal has nothing after it."
        case Status.PAUSED:
            reached = f"has come as far as the step {step}" if step else "has not begun to move"
            return f"Not finished: {host} {reached}."
        case Status.UNDER_WAY:
            back = "Back-out under way" if _backing_out(sign) else "Under way"
            return f"{back}: {host}, {counted(len(sign.steps), 'step')} so far, the last one {step or 'not begun'}."
        case Status.NOT_BEGUN:
            return "Nothing has happened in this run: its journal is empty."


def _backing_out(sign: SignOff) -> bool:
    return any(event.kind == "back_out_started" for event in sign.events)


def standing(sign: SignOff) -> str:
    """Who serves users now, as far as the journal knows; empty once the run is over."""
    if sign.status in (Status.ACCEPTED, Status.BACKED_OUT, Status.NOT_BEGUN):
        return ""
    if changed_lines(sign.unreadable):
        return "Who serves users is not known: the journal was changed."
    said = stands(sign.events).sentence(minute)
    return f"{said[0].upper()}{said[1:]}."


def what_next(sign: SignOff) -> list[str]:
    """What the operator does now; empty when there is nothing to do."""
    if sign.status in (Status.ACCEPTED, Status.BACKED_OUT):
        return []
    if sign.forgotten and not _backing_out(sign):
        return [
            "This run was forgotten, and is not gone on with: gonogo run --new, with the same plan, begins another."
        ]
    if sign.status is Status.UNDER_WAY:
        return [
            "This page is written after every gate. If its time stands still, nothing runs: give the same command again."
        ]
    if sign.status is Status.NOT_BEGUN:
        return ["Begin: gonogo run, with the same plan."]
    if changed_lines(sign.unreadable):
        return ["Do what is named above; the commands act by the journal, and do nothing until then."]
    mend = "Mend what is named above, then go on" if sign.troubles else "Go on"
    lines = [f"{mend}: gonogo run, with the same plan. It begins where this run stopped."]
    if sign.outage and sign.outage.ended is None:
        lines.append("Or go back: gonogo back-out, with the same plan. It reopens production with its data.")
        if sign.plan.outage_minutes is not None:
            left = sign.plan.outage_minutes * 60 - (sign.generated - sign.outage.closed).total_seconds()
            of = f"of the outage budget of {sign.plan.outage_minutes:g} min"
            over = f"Nothing is left {of}: it is overdrawn by {duration(-left)}."
            lines.append(f"{duration(left)} {of} were left." if left > 0 else over)
    return lines


def _copied(part: Data | Files) -> str:
    proof = "proven equal" if part.proven else "copied, not proven"
    return proof if part.final else f"{proof}, for the rehearsal"


def figures(sign: SignOff) -> list[Figure]:
    """The numbers for the top of the page, those that are known."""
    found = []
    if sign.outage:
        of = f"{sign.plan.outage_minutes:g} min allowed" if sign.plan.outage_minutes else ""
        if sign.outage.seconds is not None:
            how = "as users saw it" if sign.outage.measured else "from the journal"
            found.append(Figure(label="Outage", value=duration(sign.outage.seconds), note=f"{how}; {of}".strip("; ")))
        else:
            closed, note = f"{sign.outage.closed:%H:%M:%S}", f"UTC (+00:00); {of}".rstrip("; ")
            found.append(Figure(label="Production closed", value=closed, note=note))
        if sign.outage.write_gap_seconds is not None:
            gap, note = duration(sign.outage.write_gap_seconds), "last write on the source to first write on the target"
            found.append(Figure(label="Write gap", value=gap, note=note))
    if sign.data:
        note = f"in {counted(len(sign.data.tables), 'table')}, {_copied(sign.data)}"
        found.append(Figure(label="Rows", value=number(sign.data.rows), note=note))
    if sign.files:
        found.append(Figure(label="Files", value=number(sign.files.files), note=_copied(sign.files)))
    checks = {check.id: check.verdict for state in sign.states for check in state.checks}
    if checks:
        tally = {v: list(checks.values()).count(v) for v in Verdict}
        note = ", ".join(f"{count} {v.value}" for v, count in tally.items() if count)
        note += f", in {counted(len(sign.gates), 'gate')}"
        found.append(Figure(label="Checks", value=number(len(checks)), note=note))
    if sign.started and sign.last:
        length = duration((sign.last - sign.started).total_seconds())
        found.append(Figure(label="Whole run", value=length, note=counted(len(sign.steps), "step")))
    return found


def not_done(sign: SignOff) -> list[str]:
    """What somebody still has to do."""
    confirmed = {state for gate in sign.gates if gate.verdict in PASS for state in gate.states}
    items = []
    if sign.status is Status.ACCEPTED:
        ttls = sorted({row.ttl for row in sign.dns if row.ttl is not None and row.ttl != sign.plan.ttl})
        if ttls:
            before = ", ".join(f"{ttl} s" for ttl in ttls)
            items.append(f"Raise the DNS records' TTL again: before the move it was {before}.")
        items.append(
            "Keep the old host, closed as it is, for as long as somebody may want to go back to it; then switch it off."
        )
        if not {"backed_up", "restore_tested"} <= {state.name for state in sign.states if state.verdict in PASS}:
            items.append("Set up backups on the target, and try a restore.")
    elif sign.status is Status.BACKED_OUT:
        items.append("Find out why it was backed out, then begin anew: gonogo run --new.")
        items.append("Terminate the fenced instance when its data is no longer needed.")
    else:
        items += [f"{text[0].upper()}{text[1:]}." for state, text in MILESTONES if state not in confirmed]
    items += [f"Mend before its waiver ends: {waiver.claim}" for waiver in sign.waivers]
    return items
