"""What the pre_cutover gate asks both hosts, over gonogo's shell and over testinfra's backends, at several round trips."""

import json
from typing import Any

from tests.bench.backends import MARK, OURS
from tests.labsite import REHEARSED, Site

DELAYS = (0, 20, 100)
"""Milliseconds of a round trip."""


def measure(site: Site, delays: tuple[int, ...] = DELAYS) -> list[dict[str, Any]]:
    """Delay, way, seconds, commands and seconds of the processor here, of a lab that is ready for its cutover."""
    done = site.checks(
        "pre_cutover", "-q", "-s", "-p", "tests.bench.backends", GONOGO_BENCH_DELAYS=" ".join(map(str, delays))
    )
    assert done.code == 0, done.out
    return [json.loads(line.removeprefix(MARK)) for line in done.out.splitlines() if line.startswith(MARK)]


def lines(measured: list[dict[str, Any]]) -> list[str]:
    """The table: seconds, and how many times as long as over our shell at the same round trip."""
    ours = {one["delay"]: one for one in measured if one["way"] == OURS}
    text = [f"{'round trip':>10}  {'way':27} {'commands':>8} {'s':>8} {'ratio':>7} {'CPU s here':>10} {'ratio':>7}"]
    for one in measured:
        same = ours[one["delay"]]
        text.append(
            f"{one['delay']:7} ms  {one['way']:27} {one['commands']:8} {one['seconds']:8.2f} {one['seconds'] / same['seconds']:7.1f}"
            f" {one['processor']:10.2f} {one['processor'] / same['processor']:7.1f}"
        )
    return text


def main() -> list[str]:
    site = Site(REHEARSED)
    site.down()
    site.up(rehearsed=True)
    try:
        ready = site.gonogo("run", "--yes", "--until", "window_open")
        assert ready.code == 0, ready.out
        return lines(measure(site))
    finally:
        site.down()
