"""The last wait before the cutover: for caches to forget the old TTL, and for the announced window."""

import logging
import time
from datetime import datetime, timedelta

from fixtures.connect.nameservers import Dns
from fixtures.errors import Refused
from fixtures.plan import Plan
from fixtures.policy import window
from fixtures.policy.dnsclock import DnsClock, clock_file, last_to_run_out, load_clock, places
from fixtures.run.evidence import now
from fixtures.run.run import Run
from steps.night.dns import look_at_clock
from steps.step import step

log = logging.getLogger(__name__)

AT_MOST = timedelta(minutes=30)
"""A longer wait is left to the operator, who comes back."""
EVERY = 10.0
"""Seconds between two looks at the name servers."""


@step(needs=["ttl_lowered", "rights_tried"], gives=["window_open"], harmless=True)
def await_window(plan: Plan, run: Run, dns: Dns) -> None:
    """Wait until caches have forgotten the old TTL and the announced window is open; half an hour at most."""
    logged = ""
    while True:
        look_at_clock(plan, run, dns)
        moment, why = opening(plan, load_clock(clock_file(plan, run)))
        left = moment - now()
        if left <= timedelta(0):
            break
        if left > AT_MOST:
            raise Refused(
                "the cutover",
                expected=f"to begin within {AT_MOST.total_seconds() / 60:.0f} minutes",
                found=why,
                remedy=f"come back at {window.in_words(plan, moment)}, and run the same command",
            )
        if why != logged:
            log.info("waiting %.0f s: %s", left.total_seconds(), why)
            logged = why
        time.sleep(min(EVERY, left.total_seconds() + 0.1))
    if not window.is_open(plan, now()):
        raise Refused(
            "the announced window",
            expected=f"production closed by {window.in_words(plan, window.last_moment(plan))}",
            found=f"it is {window.in_words(plan, now())}",
            remedy="announce another window: edit [notice] in the plan; the same command then publishes it",
        )


def opening(plan: Plan, clock: DnsClock) -> tuple[datetime, str]:
    """When the cutover may begin at the earliest, and why not sooner, in words.

    Raises `Refused` while a server still serves the longer TTL: then no end is in sight.
    """
    wanted = places(plan)
    last = last_to_run_out(clock, wanted)
    if last is None:
        served = [where for where in wanted if where not in clock.places or clock.places[where].since is None]
        raise Refused(
            "the DNS clock",
            expected=f"a TTL of {plan.dns.ttl} s or less everywhere",
            found=f"not yet: {', '.join(served)}",
            remedy="lower it there; a secondary must take the zone from the primary; then run the same command again",
        )
    where, seen = last
    start = window.first_moment(plan)
    if seen.runs_out >= start:
        return seen.runs_out, f"the old TTL of {seen.old} s runs out at {seen.runs_out:%H:%M:%S} UTC ({where})"
    return start, f"the announced window begins at {window.in_words(plan, start)}"
