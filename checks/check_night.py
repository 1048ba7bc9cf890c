"""The checklist is written, survey, rehearsal and drill are recent, and every named risk is signed."""

import hashlib
from datetime import date, datetime, timedelta

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.plan import Plan, digest
from fixtures.plan.risks import Risk
from fixtures.plan.waivers import DRILL, load_signed, waivers_path
from fixtures.run.evidence import now
from fixtures.run.records import Checklist, Record, RehearsalReady, Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.night_prepared


def _today() -> date:
    """The date where the operator is: people sign with it."""
    return now().astimezone().date()


def check_checklist_is_of_this_plan(plan: Plan, run: Run) -> None:
    """The checklist is there as it was written, and it was written from this very plan."""
    record = run.records(Checklist)
    path = run.directory / "checklist.md"
    written = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    expected, found = (digest(plan.path), record.sha256), (record.plan, written)
    must_equal(
        f"{path} (SHA-256 of the plan, and of the checklist)",
        expected=expected,
        found=found,
        remedy="restore it from a backup, or begin anew with `gonogo run --new`",
    )


def check_survey_is_recent(plan: Plan, run: Run) -> None:
    """Production was surveyed recently enough."""
    _recent(
        run, Survey, "the survey", plan.cutover.survey_days, "cutover.survey_days", "`gonogo run --new` surveys anew"
    )


def check_rehearsal_is_recent(plan: Plan, run: Run) -> None:
    """The target was rehearsed recently enough."""
    _recent(
        run,
        RehearsalReady,
        "the rehearsal",
        plan.cutover.rehearsal_days,
        "cutover.rehearsal_days",
        "rehearse: `gonogo rehearse`",
    )


def _recent(run: Run, kind: type[Record], what: str, days: int, key: str, remedy: str) -> None:
    recorded: datetime = run.records(kind).recorded
    age = now() - recorded
    if age > timedelta(days=days):
        raise NoGo(
            what,
            expected=f"at most {days} days old ({key})",
            found=f"{age.total_seconds() / 86400:.1f} days old, from {recorded:%Y-%m-%d %H:%M} UTC",
            remedy=remedy,
        )


def check_back_out_was_drilled(plan: Plan) -> None:
    """Somebody signed that the back-out was rehearsed, recently enough."""
    drill = load_signed(plan, _today()).newest(DRILL)
    recent = drill is not None and _today() - drill.when <= timedelta(days=plan.cutover.drill_days)
    if not recent:
        raise NoGo(
            "the back-out drill",
            expected=f"attested within {plan.cutover.drill_days} days (cutover.drill_days)",
            found=f"the last one on {drill.when}, attested by {drill.who}" if drill else "nobody attested one",
            remedy=f"rehearse the back-out, then put an [[attestation]] with what, who, when, how into "
            f'{waivers_path(plan).name} beside the plan: what = "{DRILL}"',
        )


def check_risk_is_signed(risk: Risk, plan: Plan) -> None:
    """Somebody signed for each risk that stays after the move."""
    signature = load_signed(plan, _today()).signature(risk.name)
    if signature is None:
        raise NoGo(
            f"the risk {risk.name}: {risk.meaning}",
            expected="who takes it on, when, and why",
            found="nobody signed",
            remedy=f"change the plan so that the risk is gone, or put a [[risk]] with name, who, when, reason into "
            f"{waivers_path(plan).name} beside the plan",
        )
