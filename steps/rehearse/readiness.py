"""Starting takes as long as it takes: the pack is waited for, as long as production's own start gives reason to."""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, StepFailed
from fixtures.facts import pack, units
from fixtures.facts.fact import ask_all
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import script

log = logging.getLogger(__name__)

AT_LEAST = 30.0
AT_MOST = 900.0
"""Seconds, whatever production took."""
UNKNOWN = 300.0
"""Seconds for a unit of which nothing tells how long it takes on production."""
_TIMES = 4
"""How much longer than production's last start the target's first one may take: its disk has read nothing yet."""
_CRASHES = 3
"""Restarts after which a unit is taken for one that does not come up."""
_EVERY = 5.0
_PAUSE = 0.5
_NOT_YET = (502, 503, 504)
"""What a proxy answers while nobody behind it does."""
_NEWEST = script(__file__, "newest_line.sh")


def limit(took: Mapping[str, float | None]) -> float:
    """How many seconds a pack gets whose units took so long on production."""
    seconds = [UNKNOWN if one is None else AT_LEAST + _TIMES * one for one in took.values()]
    return min(max(seconds, default=UNKNOWN), AT_MOST)


def limit_of(run: Run) -> float:
    """How many seconds the pack of a run gets."""
    return limit(run.records(Survey).ready_seconds)


def await_pack(host: Host, plan: Plan, run: Run) -> None:
    """Wait until every unit of the pack runs and everything of it listens; what is not there in time is for the gate to judge.

    Raises `StepFailed` at once where a unit failed, or is started again and again.
    """
    seconds = limit_of(run)
    begun = said = time.monotonic()
    while missing := _missing(host, plan):
        now = time.monotonic()
        if now - begun > seconds:
            log.warning("not there after %.0f s, as long as production gives reason to wait: %s", seconds, missing)
            return
        if now - said > _EVERY:
            said = now
            log.info("waiting for the application, %.0f of at most %.0f s: %s", now - begun, seconds, missing)
        time.sleep(_PAUSE)


def _missing(host: Host, plan: Plan) -> str:
    """Units that do not run yet and listeners where nobody listens yet, in words."""
    shown = ask_all(
        host, {unit: units.shown(unit, "ActiveState", "SubState", "NRestarts") for unit in plan.application.pack}
    )
    for unit, states in shown.items():
        if states.get("ActiveState") == "failed" or int(states.get("NRestarts") or 0) >= _CRASHES:
            _refuse_crashed(host, unit, states)
    listening = ask_all(host, {one: pack.listens(one) for one in plan.application.listeners})
    return ", ".join(
        [
            *(
                f"{unit} is {states.get('ActiveState')}"
                for unit, states in shown.items()
                if states.get("ActiveState") != "active"
            ),
            *(f"nobody listens at {one}" for one, answer in listening.items() if answer.status == 0),
        ]
    )


def _refuse_crashed(host: Host, unit: str, states: Mapping[str, str]) -> None:
    line = host.check([*_NEWEST, unit]).strip()
    raise StepFailed(
        f"{unit} on the {host.name}",
        expected="a unit that comes up",
        found=f"{states.get('ActiveState')}, started again {states.get('NRestarts') or 0} times; its newest line: {line or 'none'}",
        remedy=f"see `journalctl -u {unit}` there, mend the cause and run the same command again",
    )


def await_site(plan: Plan, address: str, web: Web, seconds: float = 60.0) -> None:
    """Wait until nginx passes requests on again; what it then says is for the gate to judge.

    Servers load an application for a while after they listen, and nginx asks a server that was away again only after its
    `fail_timeout`, ten seconds where nobody says otherwise.
    """
    begun = said = time.monotonic()
    while (waited := time.monotonic() - begun) < seconds:
        found = "no answer"
        with suppress(CouldNotVerify):
            status = web.get(plan.health_page, address).status_code
            if status not in _NOT_YET:
                return
            found = f"status {status}"
        if time.monotonic() - said > _EVERY:
            said = time.monotonic()
            log.info(
                "waiting for %s at %s, %.0f of at most %.0f s: %s", plan.health_page, address, waited, seconds, found
            )
        time.sleep(_PAUSE)
