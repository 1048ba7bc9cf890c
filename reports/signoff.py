"""Makes the sign-off of a run out of its stored evidence: one model, from which every page is made."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from fixtures.run import records
from fixtures.run.evidence import OWN, CheckResult, Verdict
from fixtures.run.journal import BackedOut, DnsChanged, Entry, GateJudged, Happened, SourceClosed, SourceReopened
from reports import history, models, sentences
from reports.models import Status
from reports.stored import Stored
from reports.words import utc

FRESH = timedelta(minutes=15)
"""A run whose journal is quieter than this is not said to be under way. No gate takes longer."""

ONE_SERVER = models.RiskRow(
    name="One server only", meaning="Everything runs on one instance: when it fails, users wait until it is back."
)
NOT_HARDENED = models.RiskRow(
    name="Hardening not complete",
    meaning="Logins, ports, files and security updates are checked; the application itself is not locked down further.",
)
NOT_TIMED = models.RiskRow(
    name="Performance not compared yet",
    meaning="Pages answer, but nobody measured whether they answer as fast as on the old host.",
)
EPHEMERAL = models.RiskRow(
    name="Data on an ephemeral disk",
    meaning="The data lies on the instance's own disk: it is gone when the instance stops. Back it up elsewhere.",
)
"""What the article's own closing list leaves open."""


def build(stored: Stored, at: datetime, *, ended: bool = False) -> models.SignOff:
    """The sign-off as of the moment `at`. `ended`: whoever ran the migration says that nothing is under way any more."""
    last = stored.entries[-1].at if stored.entries else None
    live = not ended and last is not None and at - last < FRESH
    status, troubles = history.standing(stored, live=live)
    states = history.states(stored)
    steps = history.steps(stored, live=live and status is Status.UNDER_WAY)
    target = stored.record(records.TargetFacts)
    outage, speed = _outage(stored), _speed(stored)
    if status is Status.ACCEPTED and outage and outage.lost:
        status, troubles = Status.NO_GO, [_lost(outage)]
    draft = models.SignOff(
        run=stored.directory.name, generated=at, status=status, sentence="", standing="", troubles=troubles, next=[],
        plan=stored.plan, edits=history.edits(stored),
        target=models.TargetRow(
            instance_id=target.instance_id, public_address=target.public_address,
            private_address=target.private_address, volume_id=target.volume_id,
        ) if target else None,
        started=stored.entries[0].at if stored.entries else None, last=last, figures=[], events=history.events(stored),
        steps=steps, gates=history.gates(stored), states=states, data=_data(stored),
        files=_files(stored), dns=_dns(stored), outage=outage, waivers=_waivers(states),
        risks=[*_risks(stored, target), *([] if speed else [NOT_TIMED])], attestations=_attestations(stored), own=_own(stored), speed=speed, pages=_pages(stored),
        not_done=[], unreadable=[*stored.unreadable, *_missing_gates(stored)],
        forgotten=[models.ForgottenRow(**entry.model_dump(exclude={"kind"})) for entry in stored.forgotten],
    )  # fmt: skip
    return draft.model_copy(
        update={
            "sentence": sentences.verdict(draft),
            "standing": sentences.standing(draft),
            "next": sentences.what_next(draft),
            "figures": sentences.figures(draft),
            "not_done": sentences.not_done(draft),
        }
    )


def _missing_gates(stored: Stored) -> list[str]:
    return [
        f"gate {entry.number}: the journal names it, its result cannot be read"
        for entry in stored.entries
        if isinstance(entry, GateJudged) and history.find_gate(stored, entry) is None
    ]


def _lost(outage: models.Outage) -> models.Trouble:
    problem = models.ProblemRow(
        subject="acknowledged writes", expected="all of them on the target",
        found=f"{len(outage.lost)} lost: {', '.join(outage.lost[:5])}",
        remedy="save them from the old host, which still holds its database",
    )  # fmt: skip
    title = "Writes that users were told are safe are not on the target"
    return models.Trouble(where="what users saw", title=title, verdict=Verdict.NO_GO, problem=problem)


def _verdict_of(parameter: str, value: str, found: list[CheckResult], *, proven: bool) -> Verdict | None:
    """The verdict on one table or directory: of its own checks, else of its whole state where that is proven."""
    own = [result.outcome for result in found if result.parameters.get(parameter) == value]
    if own:
        return history.worst(own)
    return Verdict.GO if proven else None


def _judged(stored: Stored, copy: records.DataCopy | records.FilesCopy, state: str) -> tuple[list[CheckResult], bool]:
    """The results of a copy's checks, and whether they prove it. Only what was compared after this very copy counts."""
    state, since = f"final_{state}" if copy.final else state, utc(copy.recorded)
    return history.results(stored, state, since), history.proven(stored, state, since)


def _data(stored: Stored) -> models.Data | None:
    copy = stored.record(records.DataCopy)
    if copy is None:
        return None
    found, proven = _judged(stored, copy, "data_copied")
    before = stored.record(records.BeforeJourneys)
    tables = [
        models.TableRow(
            name=name, rows=table.rows, digest=table.digest, verdict=_verdict_of("table", name, found, proven=proven)
        )
        for name, table in sorted(copy.tables.items())
    ]
    tables += [
        models.TableRow(name=name, rows=0, digest="not read", verdict=_verdict_of("table", name, found, proven=False))
        for name in sorted(copy.unproven)
    ]
    comparisons = [
        models.ComparisonRow(name=name, rows=one.rows, verdict=_verdict_of("comparison", name, found, proven=proven))
        for name, one in copy.comparisons.items()
    ]
    return models.Data(
        final=copy.final, recorded=copy.recorded, seconds=copy.seconds, snapshot=copy.snapshot,
        source_identifier=copy.source_identifier, target_identifier=copy.target_identifier, tables=tables,
        rows=sum(table.rows for table in tables), bits=min((table.bits for table in copy.tables.values()), default=0),
        comparisons=comparisons, sequences=len(copy.sequences), large_objects=copy.large_objects,
        tried=sorted(before.tables) if before and before.snapshot == copy.snapshot else [], proven=proven,
    )  # fmt: skip


def _files(stored: Stored) -> models.Files | None:
    copy = stored.record(records.FilesCopy)
    if copy is None:
        return None
    found, proven = _judged(stored, copy, "files_copied")
    directories = [
        models.DirectoryRow(
            path=path, files=count.files, links=count.links, bytes=count.bytes, manifest=copy.manifests.get(path, ""),
            verdict=_verdict_of("upload", path, found, proven=proven), left_behind=copy.left_behind.get(path, ""),
        )
        for path, count in sorted(copy.counts.items())
    ]  # fmt: skip
    return models.Files(
        final=copy.final, recorded=copy.recorded, seconds=copy.seconds, directories=directories,
        files=sum(d.files for d in directories), bytes=sum(d.bytes for d in directories), proven=proven,
    )  # fmt: skip


def _dns(stored: Stored) -> list[models.DnsRow]:
    before = stored.record(records.DnsBefore)
    if before is None:
        return []
    last = next((e for e in reversed(stored.entries) if isinstance(e, DnsChanged | BackedOut)), None)
    after = last.records if isinstance(last, DnsChanged) else {}
    return [
        models.DnsRow(record=record, before=values, ttl=before.ttls.get(record), after=after.get(record, ""))
        for record, values in sorted(before.records.items())
    ]


def _speed(stored: Stored) -> list[models.SpeedRow]:
    times = stored.record(records.ResponseTimes)
    if times is None:
        return []
    rows = {"old host": times.source, "target, rehearsed": times.target, "target, in use": times.accepted}
    return [models.SpeedRow(host=host, n=row.n, p50=row.p50, p95=row.p95) for host, row in rows.items() if row]


def _pages(stored: Stored) -> models.PagesRow | None:
    replayed = stored.record(records.PagesReplayed)
    if replayed is None:
        return None
    moving = [page.url for page in replayed.changed if page.print]
    changed = [page.url for page in replayed.changed if not page.print]
    return models.PagesRow(
        compared=len(replayed.pages), partly=_once(page.url for page in replayed.pages if page.unsteady),
        moving=_once(moving), changed=_once(changed),
    )  # fmt: skip


def _once(urls: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(urls))


def _last_at(entries: list[Entry], *kinds: type[Happened]) -> datetime | None:
    return next((entry.at for entry in reversed(entries) if isinstance(entry, kinds)), None)


def _outage(stored: Stored) -> models.Outage | None:
    closure, opening = stored.record(records.SourceClosure), stored.record(records.Opening)
    users = stored.record(records.Users)
    closed = _last_at(stored.entries, SourceClosed) or (closure.closed if closure else None)
    if closed is None:
        return None
    later = [entry for entry in stored.entries if entry.at >= closed]
    reopened = _last_at(later, SourceReopened, BackedOut)
    ended = reopened or (opening.outage_ended if opening else None) or _last_at(later, DnsChanged)
    measured = users.outage_seconds if users else None
    outage = models.Outage(closed=closed, ended=ended, seconds=measured, measured=measured is not None)
    if outage.ended and measured is None:
        outage.seconds = max(0.0, (outage.ended - outage.closed).total_seconds())
    if users:
        outage.write_gap_seconds, outage.acknowledged = users.write_gap_seconds, users.acknowledged
        outage.lost, outage.served_by_target = users.lost, users.served_by_target
    return outage


def _risks(stored: Stored, target: records.TargetFacts | None) -> list[models.RiskRow]:
    """The risks that somebody signed for, once the checklist is written; and those that nobody signs for."""
    checklist = stored.record(records.Checklist)
    if checklist is None:
        return [ONE_SERVER, *([EPHEMERAL] if target and not target.volume_id else []), NOT_HARDENED]
    named = [
        models.RiskRow(name=one.name, meaning=one.meaning, signed=_terms(one.who, one.when, one.reason))
        for one in checklist.risks
    ]
    return [*named, NOT_HARDENED]


def _attestations(stored: Stored) -> list[models.AttestationRow]:
    checklist = stored.record(records.Checklist)
    return [
        models.AttestationRow(what=one.what, terms=_terms(one.who, one.when, one.how))
        for one in (checklist.attestations if checklist else [])
    ]


def _own(stored: Stored) -> list[models.OwnRow]:
    """Own checks by their files; one that belongs to a state which no gate has asked for proves nothing yet."""
    last = [(gate, result) for gate, result in history.last_results(stored) if result.file.startswith(f"{OWN}/")]
    asked = {result.id for _, result in last}
    files = {result.file for _, result in last} | {check.file for check in stored.own.values()}
    return [
        models.OwnRow(
            file=file,
            checks=sum(result.file == file for _, result in last),
            verdict=history.worst([result.outcome for _, result in last if result.file == file])
            if any(result.file == file for _, result in last)
            else None,
            not_asked=[node for node, check in stored.own.items() if check.file == file and node not in asked],
            copies=list(dict.fromkeys(gate.own for gate, result in last if result.file == file and gate.own)),
        )
        for file in sorted(files)
    ]


def _terms(who: str, when: date | None, why: str) -> str:
    return f"{who}, {when}: {why}" if who else ""


def _waivers(states: list[models.StateRow]) -> list[models.WaiverRow]:
    waived = {check.id: check for row in states for check in row.checks if check.waiver}
    return [
        models.WaiverRow(check=check.id, claim=check.claim, terms=check.waiver, problem=check.problem)
        for check in waived.values()
        if check.waiver
    ]
