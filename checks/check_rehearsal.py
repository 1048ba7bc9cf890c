"""The rehearsal was of this copy, and no worker and no cron job ran on the target meanwhile."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.errors import NoGo
from fixtures.facts.machine import journal
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.policy import parity
from fixtures.run.records import DataCopy, RehearsalReady, ResponseTimes, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.rehearsed

UNIT_STARTED = "39f53479d3a045ac8e11786248231fbf"
"""systemd's own id for the message that a unit was started; a unit that is gone again leaves nothing else behind."""


def check_rehearsal_was_of_this_copy(run: Run) -> None:
    """The target was rehearsed, with the very data that it holds now."""
    rehearsal = run.records(RehearsalReady)
    expected = (run.records(TargetFacts).instance_id, run.records(DataCopy).snapshot)
    found = (rehearsal.instance_id, rehearsal.snapshot)
    must_equal(
        "the rehearsal (instance, snapshot)", expected=expected, found=found, remedy="rehearse again: `gonogo run`"
    )


def check_pages_come_as_fast_as_production(run: Run, plan: Plan) -> None:
    """The same pages come from the target about as fast as from production: in the median, and at the 95th percentile."""
    times = run.records(ResponseTimes)
    slow = parity.too_slow(plan.parity, times.source, times.target)
    must_be_none(
        f"response times of the target, over {times.target.n} requests",
        expected=f"p50 and p95 at most {plan.parity.slower:g} times production's, or {plan.parity.slack_ms} ms more",
        found=slow,
        remedy="see what the target waits for (CPU, disk, missing cache or statistics); a larger instance type may be the answer",
    )


def check_worker_never_ran(
    worker_unit: str,
    started: list[str] = on_target(lambda worker_unit: journal(f"UNIT={worker_unit}", f"MESSAGE_ID={UNIT_STARTED}")),
) -> None:
    """No worker of the target ever ran: no job was done twice, no mail was sent."""
    if started:
        raise NoGo(
            f"{worker_unit} on the target",
            expected="never started: the target is in quarantine",
            found=f"started {len(started)} times, first at {' '.join(started[0].split()[:1])}",
            remedy="find out what it did (its journal, the mail log), copy the data again, and rehearse on a new instance",
        )


def check_cron_never_ran(
    cron_file: PurePosixPath, plan: Plan, entries: list[str] = on_target(journal("_COMM=cron"))
) -> None:
    """No cron job of the application ever ran on the target."""
    ran = [line for line in entries if f"({plan.application.user}) CMD" in line]
    if ran:
        raise NoGo(
            f"{cron_file} on the target",
            expected=f"no job of {plan.application.user}: the target is in quarantine",
            found=f"{len(ran)} jobs, the last: {ran[-1]}",
            remedy="find out what they did, copy the data again, and rehearse on a new instance",
        )
