"""Reads a run's directory. What cannot be read is named and passed over: a report is most needed when things went wrong."""

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from fixtures.run.evidence import CATALOGUE, JOURNAL, OWN, PLAN, Check, GateResult, refuse_other_format
from fixtures.run.journal import Entry, Forgotten, parse
from fixtures.run.records import (
    BeforeJourneys,
    Checklist,
    DataCopy,
    DnsBefore,
    FilesCopy,
    Opening,
    PagesReplayed,
    Record,
    ResponseTimes,
    SourceClosure,
    TargetFacts,
    Users,
)
from fixtures.run.sums import CHANGED, changed
from reports.models import PlanFacts
from reports.words import utc

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=Record)
_CATALOGUE = TypeAdapter(dict[str, Check])

KINDS: tuple[type[Record], ...] = (
    TargetFacts,
    DataCopy,
    BeforeJourneys,
    FilesCopy,
    DnsBefore,
    SourceClosure,
    Opening,
    ResponseTimes,
    PagesReplayed,
    Users,
    Checklist,
)


@dataclass
class Stored:
    """All evidence of one run that could be read."""

    directory: Path
    plan: PlanFacts
    entries: list[Entry] = field(default_factory=list)
    """The journal, but for what was done to the run itself once it was left alone."""
    forgotten: list[Forgotten] = field(default_factory=list)
    gates: list[GateResult] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    own: dict[str, Check] = field(default_factory=dict)
    """The own checks of the catalogue, by their ids."""
    unreadable: list[str] = field(default_factory=list)

    def record(self, kind: type[R]) -> R | None:
        """The record of one kind, or None where no step wrote it (or it cannot be read)."""
        return next((record for record in self.records if isinstance(record, kind)), None)


def read(directory: Path) -> Stored:
    """Read everything in a run's directory that reports speak of; raises `Refused` for a run of another format."""
    refuse_other_format(directory)
    wrong = changed(directory)
    unreadable = [f"{name}: {CHANGED}" for name in wrong]
    plan = _plan(directory / PLAN, unreadable)
    entries = _journal(directory / JOURNAL, wrong, unreadable)
    return Stored(
        directory,
        plan=plan,
        entries=[entry for entry in entries if not isinstance(entry, Forgotten)],
        forgotten=[entry for entry in entries if isinstance(entry, Forgotten)],
        gates=_gates(directory / "gates", wrong, unreadable),
        records=_records(directory / "records", wrong, unreadable),
        own=_own(directory / CATALOGUE, unreadable),
        unreadable=unreadable,
    )


def _text(path: Path, unreadable: list[str]) -> str | None:
    try:
        # A crash may cut the journal inside a character; what is whole is read all the same.
        return path.read_text(encoding="utf-8", errors="replace" if path.suffix == ".jsonl" else "strict")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        unreadable.append(f"{path.name}: {type(error).__name__}")
        return None


def _model(kind: type[M], text: str, name: str, unreadable: list[str]) -> M | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        unreadable.append(f"{name}: cannot be read as {kind.__name__} (cut short by a crash, or edited)")
        return None


def _journal(path: Path, wrong: list[str], unreadable: list[str]) -> list[Entry]:
    entries = []
    for number, line in enumerate((_text(path, unreadable) or "").split("\n"), start=1):
        if f"{path.name}, line {number}" in wrong:
            continue
        try:
            entry = parse(line) if line else None
        except ValueError:
            unreadable.append(f"{path.name}, line {number}: cannot be read as an entry")
            continue
        if entry:
            entries.append(entry.model_copy(update={"at": utc(entry.at)}))
    return entries


def _gates(directory: Path, wrong: list[str], unreadable: list[str]) -> list[GateResult]:
    found = []
    for path in sorted(directory.glob("[0-9]*.json")):
        left_out = path.name.endswith(".receipt.json") or f"gates/{path.name}" in wrong
        text = None if left_out else _text(path, unreadable)
        result = _model(GateResult, text, f"gates/{path.name}", unreadable) if text is not None else None
        if result:
            times = {"started": utc(result.started), "finished": utc(result.finished)}
            found.append(result.model_copy(update=times))
    return sorted(found, key=lambda gate: (gate.number, gate.finished))


def _records(directory: Path, wrong: list[str], unreadable: list[str]) -> list[Record]:
    kinds = [kind for kind in KINDS if f"records/{kind.file}" not in wrong]
    texts = [(kind, _text(directory / kind.file, unreadable)) for kind in kinds]
    read = [_model(kind, text, f"records/{kind.file}", unreadable) for kind, text in texts if text is not None]
    return [record for record in read if record is not None]


def _own(path: Path, unreadable: list[str]) -> dict[str, Check]:
    text = _text(path, unreadable)
    try:
        catalogue = _CATALOGUE.validate_json(text) if text is not None else {}
    except ValidationError:
        unreadable.append(f"{path.name}: cannot be read (cut short by a crash, or edited)")
        return {}
    return {node: check for node, check in catalogue.items() if check.file.startswith(f"{OWN}/")}


def _plan(path: Path, unreadable: list[str]) -> PlanFacts:
    text = _text(path, unreadable)
    if text is None:
        return PlanFacts()
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        unreadable.append(f"plan.toml: {error}")
        plan = {}
    facts: dict[str, Any] = {
        "name": _at(plan, "name"),
        "operator": _at(plan, "operator", "name"),
        "contact": _at(plan, "operator", "contact"),
        "hostnames": _at(plan, "web", "hostnames"),
        "source": _at(plan, "source", "address"),
        "source_address": _at(plan, "source", "public_address"),
        "outage_minutes": _at(plan, "cutover", "outage_minutes"),
        "ttl": _at(plan, "dns", "ttl"),
    }
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return PlanFacts.model_validate({"sha256": sha256, **{k: v for k, v in facts.items() if v is not None}})
    except ValidationError:
        unreadable.append("plan.toml: not a plan")
        return PlanFacts(sha256=sha256)


def _at(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
