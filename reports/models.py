"""The sign-off: everything the pages say, as one model. `signoff.json` is this, and the pages are made from it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fixtures.run.evidence import Verdict
from reports import words

Moment = Annotated[datetime, AfterValidator(words.utc)]


class Status(StrEnum):
    """How a run stands."""

    ACCEPTED = "accepted"
    BACKED_OUT = "backed-out"
    NO_GO = "no-go"
    COULD_NOT_VERIFY = "could-not-verify"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    PAUSED = "paused"
    UNDER_WAY = "under-way"
    NOT_BEGUN = "not-begun"


class Outcome(StrEnum):
    """What became of a step."""

    FINISHED = "finished"
    ALREADY_TRUE = "already true"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CUT_SHORT = "cut short"
    RUNNING = "running"


class _Part(BaseModel):
    """Every text in it is printable: evidence quotes hosts, and hosts may say anything."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _printable(cls, values: Any) -> Any:
        return words.clean(values)


class ProblemRow(_Part):
    """What is wrong, in the four parts that every error has."""

    subject: str
    expected: str
    found: str
    remedy: str


class TermsRow(_Part):
    """Who accepted a failure, until when, and why."""

    who: str
    until: date
    reason: str


class Trouble(_Part):
    """Something that stopped the run, as an operator needs it."""

    where: str
    title: str
    verdict: Verdict | None = None
    problem: ProblemRow | None = None


class PlanFacts(_Part):
    """What the sign-off needs of the plan."""

    name: str = ""
    sha256: str = ""
    operator: str = ""
    contact: str = ""
    hostnames: list[str] = []
    source: str = ""
    source_address: str = ""
    outage_minutes: float | None = None
    ttl: int | None = None


class EditRow(_Part):
    """The plan was edited while the run was under way."""

    at: Moment
    keys: list[str]
    again: list[str] = Field(description="steps that ran again for it")


class TargetRow(_Part):
    """The instance."""

    instance_id: str
    public_address: str
    private_address: str
    volume_id: str


class CheckRow(_Part):
    """The last result of one check."""

    id: str
    claim: str
    states: list[str]
    verdict: Verdict
    problem: ProblemRow | None
    waiver: TermsRow | None
    seconds: float
    gate: int


class StateRow(_Part):
    """A state, its verdict in the last gate that asked for it, and its checks."""

    name: str
    verdict: Verdict
    reason: str = ""
    checks: list[CheckRow]


class GateRow(_Part):
    """A gate as it was run. `before`: asked before the step, when its states need not hold yet."""

    number: int
    before: bool
    occasion: str
    states: list[str]
    verdict: Verdict
    reason: str
    started: Moment
    finished: Moment
    checks: int
    not_go: list[str]
    step: str = ""


class Attempt(_Part):
    """One attempt at a step. Without an end of its own (`CUT_SHORT`), `ended` is the run's last sign of life."""

    started: Moment
    ended: Moment
    outcome: Outcome
    problem: ProblemRow | None = None


class StepRow(_Part):
    """A step: its attempts, and the gates around them."""

    name: str
    attempts: list[Attempt]
    gates: list[int] = []

    @property
    def outcome(self) -> Outcome:
        """What became of the last attempt."""
        return self.attempts[-1].outcome

    @property
    def seconds(self) -> float:
        """How long all attempts took together."""
        return sum((a.ended - a.started).total_seconds() for a in self.attempts)


class Event(_Part):
    """A moment that readers look for."""

    at: Moment
    kind: str
    words: str


class TableRow(_Part):
    """One table as production held it; `verdict` is None while nothing compared it."""

    name: str
    rows: int
    digest: str
    verdict: Verdict | None


class ComparisonRow(_Part):
    """One query of the business that gave the same on both sides, or did not."""

    name: str
    rows: int
    verdict: Verdict | None


class Data(_Part):
    """The database copy."""

    final: bool
    recorded: Moment
    seconds: float
    snapshot: str
    source_identifier: str
    target_identifier: str
    tables: list[TableRow]
    rows: int
    bits: int = Field(description="of hash for each of 1024 parts of a table")
    comparisons: list[ComparisonRow]
    sequences: int
    large_objects: int
    tried: list[str] = Field(
        default=[], description="tables that logins and journeys write to, compared before any was made"
    )
    proven: bool


class DirectoryRow(_Part):
    """One upload directory as production held it."""

    path: str
    files: int
    links: int
    bytes: int
    manifest: str
    verdict: Verdict | None
    left_behind: str = ""


class Files(_Part):
    """The copy of the uploads."""

    final: bool
    recorded: Moment
    seconds: float
    directories: list[DirectoryRow]
    files: int
    bytes: int
    proven: bool


class DnsRow(_Part):
    """One record before and after; `after` is empty while it was not changed."""

    record: str
    before: list[str]
    ttl: int | None
    after: str


class SpeedRow(_Part):
    """Response times of one host over the same pages, in milliseconds."""

    host: str
    n: int
    p50: float
    p95: float


class PagesRow(_Part):
    """Pages asked for on both hosts: how many had to be equal, and what production changed itself meanwhile.

    Of `partly` some lines were left out, of `moving` the whole body, and of `changed` nothing is claimed.
    """

    compared: int
    partly: list[str] = []
    moving: list[str] = []
    changed: list[str]


class Outage(_Part):
    """What users felt. `measured`: by users of the lab; otherwise from the journal's own moments."""

    closed: Moment
    ended: Moment | None
    seconds: float | None
    measured: bool
    write_gap_seconds: float | None = None
    acknowledged: int | None = None
    lost: list[str] = []
    served_by_target: int | None = None


class WaiverRow(_Part):
    """A failed check that somebody accepted."""

    check: str
    claim: str
    terms: TermsRow
    problem: ProblemRow | None


class OwnRow(_Part):
    """A file of own checks: how many of them a gate asked, what they said last, and those that none has asked yet."""

    file: str
    checks: int
    verdict: Verdict | None
    not_asked: list[str]
    copies: list[str] = Field(description="SHA-256 of the own checks that gates were judged by; each lies in own/")


class Figure(_Part):
    """A number for the top of the page."""

    label: str
    value: str
    note: str = ""


class RiskRow(_Part):
    """Something that stays true after the move; `signed` says who accepted it, where somebody did."""

    name: str
    meaning: str
    signed: str = ""


class AttestationRow(_Part):
    """What a person says was done."""

    what: str
    terms: str


class ForgottenRow(_Part):
    """When somebody had erased from the run what may hold personal data, and how much that was."""

    at: Moment
    who: str
    erased: int = Field(description="files")
    bytes: int
    rewritten: int = Field(description="files that stay, with texts replaced")


class SignOff(_Part):
    """A whole run, for people."""

    run: str
    generated: Moment
    status: Status
    sentence: str
    standing: str
    troubles: list[Trouble]
    next: list[str]
    plan: PlanFacts
    edits: list[EditRow] = []
    target: TargetRow | None
    started: Moment | None
    last: Moment | None
    figures: list[Figure]
    events: list[Event]
    steps: list[StepRow]
    gates: list[GateRow]
    states: list[StateRow]
    data: Data | None
    files: Files | None
    dns: list[DnsRow]
    outage: Outage | None
    speed: list[SpeedRow] = []
    pages: PagesRow | None = None
    waivers: list[WaiverRow]
    risks: list[RiskRow]
    attestations: list[AttestationRow] = []
    own: list[OwnRow] = []
    not_done: list[str]
    unreadable: list[str]
    forgotten: list[ForgottenRow] = []
