"""How long the pre_cutover gate takes over gonogo's shell and over testinfra's backends, and the ratios."""

import statistics

from tests.labsite import REHEARSED, Site

ROUNDS = 3
BACKENDS = ("gonogo's shell", "paramiko", "ssh")


def measure(site: Site, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of the gate, `rounds` times each backend in turn, on one lab in one run."""
    seconds: dict[str, list[float]] = {name: [] for name in BACKENDS}
    for _ in range(rounds):
        for name in BACKENDS:
            done = site.checks(
                "pre_cutover",
                "-q",
                "-p",
                "tests.bench.backends",
                GONOGO_BENCH_BACKEND="" if name == BACKENDS[0] else name,
            )
            assert done.code == 0, done.out
            seconds[name].append(done.seconds)
    return seconds


def lines(seconds: dict[str, list[float]]) -> list[str]:
    """The table: median, range, and how many times as long as over our shell."""
    ours = statistics.median(seconds[BACKENDS[0]])
    text = [f"{'pre_cutover gate over':24} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7}"]
    for name, values in seconds.items():
        median = statistics.median(values)
        text.append(f"{name:24} {median:9.2f} {min(values):7.2f} {max(values):7.2f} {median / ours:7.1f}")
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
