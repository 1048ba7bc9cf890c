"""Runs that are stopped in the cutover with users at work, and go on or back: a campaign that adds up over several calls."""

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fixtures.run.journal import Accepted
from steps.engine.executor import ended
from tests.labsite import REHEARSED, Site, stop_group
from tests.prove.acts import STEPS, WALKS, walk
from tests.prove.cutover_night import STOPS, Night, ended_well, kept, night

OTHERS = 40
"""Stops by other kinds than SIGKILL."""
SECONDS = dict(zip(STEPS, (3.0, 1.0, 3.0, 2.0, 2.0, 2.0, 3.0, 2.0), strict=True))
"""Step -> within how many seconds of its begin it is stopped; it and its gate take about that long in the lab."""
LAST = "accept"

Kind = Literal["SIGTERM", "SIGHUP", "SIGINT", "postgres-production", "postgres-target", "network", "disk"]
KINDS: Sequence[Kind] = ("SIGTERM", "SIGHUP", "SIGINT", "postgres-production", "postgres-target", "network", "disk")
"""What a stop is made of, chosen with equal weight: the operator's own process, or something that it needs."""

_POSTGRES = "systemctl kill --signal=KILL 'postgresql@*.service'"
_POSTGRES_AGAIN = (
    "for unit in $(systemctl list-units --all --plain --no-legend 'postgresql@*.service' | cut -d' ' -f1); do "
    "systemctl reset-failed $unit; systemctl start $unit; done"
)
_FILL = 'fallocate -l "$(df --output=avail -B1 /mnt | tail -1)" /mnt/gonogo-full 2>/dev/null || dd if=/dev/zero of=/mnt/gonogo-full bs=1M 2>/dev/null || true'
_CUT = (
    "nft 'add table inet gonogo_cut; add chain inet gonogo_cut in { type filter hook input priority -300; }; "
    "add rule inet gonogo_cut in tcp dport 22 drop'"
)
_BREAK = {
    "postgres-production": ("production", _POSTGRES, _POSTGRES_AGAIN),
    "postgres-target": ("target", _POSTGRES, _POSTGRES_AGAIN),
    "network": ("target", _CUT, "nft delete table inet gonogo_cut"),
    "disk": ("target", _FILL, "rm -f /mnt/gonogo-full"),
}
"""Kind -> the host, how it is broken there, and how the operator mends it."""


@dataclass(frozen=True)
class Stop:
    """Where, when and how a run is stopped, by step and number alone; `back`: it then goes back instead of on."""

    step: str
    after: float
    by: Kind
    back: bool

    @classmethod
    def numbered(cls, number: int, step: str) -> "Stop":
        """The stop of this number in a step."""
        choice = random.Random(number)
        return cls(step, round(choice.uniform(0, SECONDS[step]), 2), choice.choice(KINDS), choice.random() < 0.1)


def stops(most: int) -> str:
    """Go on with the campaign, by about so many stops: what it has shown so far. Raises AssertionError for less than all.

    First each walk (SIGKILL at every act), then nights of stops by the other kinds.
    """
    made = len(kept())
    while len(kept()) - made < most and (_left_to_walk() or _others() < OTHERS or len(kept()) < STOPS):
        with night(Site(REHEARSED)) as this:
            if todo := _left_to_walk():
                walk(this, todo[0])
            else:
                _chosen(this)
    rows, todo = kept(), _left_to_walk()
    bad = [row[0] for row in rows if row[-1] != "none"]
    killed, writes = len([row for row in rows if row[3] == "SIGKILL"]), sum(int(row[5]) for row in rows)
    figure = (
        f"{len(rows)} of {STOPS} stops, {killed} of them SIGKILL ({', '.join(set(WALKS) - set(todo)) or 'no walk'}), "
        f"{_others()} of {OTHERS} by other kinds; {writes} writes acknowledged, 0 lost; wrong: {', '.join(bad) or 'none'}"
    )
    assert not todo, f"{figure}; not walked yet: {', '.join(todo)}"
    assert (len(rows) >= STOPS, _others() >= OTHERS, bad) == (True, True, []), figure
    return figure


def _left_to_walk() -> list[str]:
    walked = {row[4].split(",")[0] for row in kept()}
    return [name for name in WALKS if name not in walked]


def _others() -> int:
    return len([row for row in kept() if row[3] in KINDS])


def _chosen(this: Night) -> None:
    """Stop the run in one step after the other, each time by what the stop's number says."""
    for step in STEPS:
        stop = Stop.numbered(len(kept()) + len(this.made), step)
        this.back = stop.back
        this.stopped(stop.by, f"{stop.step}, {stop.after} s, {'back' if stop.back else 'on'}")
        if stop.step == LAST:
            this.led_by_the_name_alone()
        _stop(this.site, stop)
        if stop.back or stop.step == LAST or ended(this.site.last_run, Accepted):
            return


def _stop(site: Site, stop: Stop) -> None:
    """Stop the run once; raises AssertionError for whatever was not as promised."""
    before = len(site.journal())
    later = STEPS[STEPS.index(stop.step) :]
    process = site.begin(
        lambda entries: any(one.kind == "step_started" and one.step in later for one in entries[before:]),
        after=stop.after,
    )
    broken = _BREAK.get(stop.by)
    if process.poll() is None and broken is None:
        stop_group(process, signal.Signals[stop.by])
    elif broken is not None:
        site.on(broken[0], broken[1])
    try:
        said = process.communicate(timeout=600)[0]
    finally:
        if broken is not None:
            site.on(broken[0], broken[2])
    ended_well(site, stop.by, process.returncode, said)
