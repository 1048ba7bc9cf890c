"""The checklist for the cutover: who, when, what in which order, which tests, and how to go back from each point."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import steps
from fixtures import states, wording
from fixtures.plan import Plan, digest
from fixtures.plan.risks import named_risks
from fixtures.plan.waivers import Signed, load_signed
from fixtures.redaction import redact
from fixtures.run.catalogue import read_catalogue
from fixtures.run.evidence import Check, now
from fixtures.run.journal import StepFinished, StepStarted
from fixtures.run.records import Attested, Checklist, DnsBefore, SignedRisk
from fixtures.run.run import Run, runs_of, write_whole
from steps.step import Step, step

TEMPLATES = Path(__file__).parent / "templates"
FILE = "checklist.md"

FREE = "Nothing of production is closed: stop here, or `gonogo back-out`; users notice nothing but the notice."
LOSSLESS = "`gonogo back-out`: production opens again with all its data. No write is lost."
COSTLY = (
    "`gonogo back-out`: the target is fenced and saved first; production will lack what was written since the target "
    "opened. The rows are counted, and you type the hostname to accept that."
)


@dataclass(frozen=True)
class Line:
    """A step as the document shows it: what it took the last time ("" where nobody knows), and the way back after it."""

    number: int
    step: Step
    took: str
    back: str


@dataclass(frozen=True)
class Test:
    """A gate: its state, what that means, and the claims of its checks."""

    state: str
    meaning: str
    claims: tuple[str, ...]


@step(needs=["rehearsed"], gives=["night_prepared"])
def write_checklist(plan: Plan, run: Run) -> None:
    """Write the checklist for the cutover from the plan, and note who signed for what."""
    signed = load_signed(plan, now().astimezone().date())
    runs = runs_of(plan, run.directory.parent)
    catalogue = read_catalogue(run)
    for form, name in (("md", FILE), ("html", "checklist.html")):
        write_whole(run.directory / name, render(plan, runs, signed, form, catalogue))
    written = hashlib.sha256((run.directory / FILE).read_bytes()).hexdigest()
    run.record(
        Checklist(
            plan=digest(plan.path), sha256=written, risks=signed_risks(plan, signed), attestations=attested(signed)
        )
    )


def signed_risks(plan: Plan, signed: Signed) -> list[SignedRisk]:
    """Every risk of the plan, with who signed for it."""
    risks = []
    for risk in named_risks(plan):
        signature = signed.signature(risk.name)
        terms = signature.model_dump(include={"who", "when", "reason"}) if signature else {}
        risks.append(SignedRisk.model_validate({"name": risk.name, "meaning": risk.meaning, **terms}))
    return risks


def attested(signed: Signed) -> list[Attested]:
    """What people say was done."""
    return [Attested(what=a.what, who=a.who, when=a.when, how=a.how) for a in signed.attestation]


def render(
    plan: Plan, runs: Sequence[Run], signed: Signed, form: Literal["md", "html"] | str, catalogue: Mapping[str, Check]
) -> str:
    """The document as Markdown or as a page to print. `runs` are the plan's, oldest first: they know what steps took."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=form == "html",  # noqa: S701 - Markdown is for the operator's own eyes, from the operator's own plan
    )  # fmt: skip
    environment.filters["spoken"] = lambda name: str(name).replace("_", " ")
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}"
    template = environment.get_template(f"checklist.{form}.j2")
    return redact(template.render(_facts(plan, runs, signed), tests=tests(plan, catalogue)))


def _facts(plan: Plan, runs: Sequence[Run], signed: Signed) -> dict[str, Any]:
    took = durations(runs)
    known = [took[s.name] for s in steps.CUT_OVER if s.name in took]
    latest = plan.notice.ends - timedelta(minutes=plan.cutover.outage_minutes)
    before = runs[-1].records(DnsBefore) if runs and runs[-1].readable and runs[-1].has(DnsBefore) else None
    return {
        "plan": plan,
        "sha256": digest(plan.path),
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "starts": in_both_zones(plan.notice.starts, plan.notice.zone),
        "ends": in_both_zones(plan.notice.ends, plan.notice.zone),
        "latest": in_both_zones(latest, plan.notice.zone),
        "phases": phases(plan, took),
        "cutover_took": f"{sum(known):.0f} s"
        if len(known) == len([s for s in steps.CUT_OVER if s.concerns(plan)])
        else "",
        "risks": signed_risks(plan, signed),
        "attestations": attested(signed),
        "dns_before": before,
    }


def in_both_zones(at: datetime, zone: str) -> str:
    """A moment for readers of the document, and in UTC as logs show it."""
    return f"{wording.moment(at, zone)}, {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def phases(plan: Plan, took: dict[str, float]) -> dict[str, list[Line]]:
    """The steps that the plan has, by phase, numbered through."""
    numbered: dict[str, list[Line]] = {}
    closed = opened = False
    count = 0
    for phase, members in steps.PHASES.items():
        numbered[phase] = []
        for member in (s for s in members if s.concerns(plan)):
            count += 1
            closed, opened = closed or "source_closed" in member.gives, opened or "target_open" in member.gives
            back = COSTLY if opened else LOSSLESS if closed else FREE
            numbered[phase].append(Line(count, member, _took(member.name, took), back))
    return numbered


def _took(name: str, took: dict[str, float]) -> str:
    if name in took:
        return f"{took[name]:.1f} s"
    first = name.removesuffix("_again")
    return f"{took[first]:.1f} s, as {first} took" if first in took else ""


def durations(runs: Iterable[Run]) -> dict[str, float]:
    """Step -> seconds it took, with the gate after it, in the newest run (they come oldest first) that finished it."""
    took: dict[str, float] = {}
    for run in filter(lambda run: run.readable, runs):
        began: dict[str, datetime] = {}
        for entry in run.entries():
            if isinstance(entry, StepStarted):
                began[entry.step] = entry.at
            elif isinstance(entry, StepFinished) and entry.step in began:
                took[entry.step] = (entry.at - began[entry.step]).total_seconds()
    return took


# --- the tests, as the catalogue lists them -------------------------------------------------------------------------------


def tests(plan: Plan, catalogue: Mapping[str, Check]) -> list[Test]:
    """Every gate of the plan's steps, in their order, with what its checks claim."""
    checks = sorted(catalogue.values(), key=lambda check: (check.file, check.line))
    given = dict.fromkeys(state for s in steps.STEPS if s.concerns(plan) for state in s.gives)
    claimed = {state: dict.fromkeys(check.claim for check in checks if state in check.states) for state in given}
    return [Test(state, states.MEANINGS[state], tuple(claimed[state])) for state in given]
