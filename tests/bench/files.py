"""How long the proof of files takes, and how much memory, beside sha256sum and rsync on the same trees in one run.

Two equal trees on this machine stand for two hosts; ours and rsync reach them through an sshd on the loopback.
"""

import os
import resource
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from fixtures.connect.host import Host, open_host
from fixtures.plan import Login
from fixtures.sameness.listing import list_directory, scratch
from fixtures.sameness.manifest import Made, at_once, compare, read_manifest, silent
from tests.unit.loopback import Sshd, running_sshd

ROUNDS = 3
FILES = 20_000
LARGE, LARGE_BYTES = 8, 256 << 20
FULL, DELTA, RSYNC = "manifests, full", "manifests, delta", "rsync -rcn"
FLOOR = "sha256sum, both sides at once"


def grow(root: Path) -> None:
    """A tree of many small files and a few large ones, none like another."""
    for number in range(FILES):
        path = root / f"{number % 200:03}" / f"{number}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(100 + number % 8000))
    for number in range(LARGE):
        with (root / f"large-{number}").open("wb") as file:
            for _ in range(LARGE_BYTES >> 20):
                file.write(os.urandom(1 << 20))


def ours(login: Login, trees: tuple[Path, Path], run: Path) -> tuple[float, float, float]:
    """Seconds of full manifests of both sides and their comparison, the same by delta, and the peak memory in MB."""
    hosts = (
        open_host("source", login, lambda path: path, read_only=True),
        open_host("target", login, lambda path: path),
    )
    seconds = []
    earlier: list[Made | None] = [None, None]
    with scratch(run) as into:

        def read(host: Host, tree: Path, known: Made | None) -> Made:
            return read_manifest(list_directory(host, str(tree), into, silent), into, earlier=known)

        for _ in ("full", "delta"):
            begun = time.monotonic()
            one, other = at_once(
                [lambda h=h, t=t, e=e: read(h, t, e) for h, t, e in zip(hosts, trees, earlier, strict=True)]
            )
            assert compare(one, other, whole=True) == ""
            seconds.append(time.monotonic() - begun)
            earlier = [one, other]
    for host in hosts:
        host.close()
    return seconds[0], seconds[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def sha256sum(trees: tuple[Path, Path]) -> None:
    running = [
        subprocess.Popen(
            ["sh", "-c", "find . -type f -print0 | xargs -0 sha256sum"], cwd=tree, stdout=subprocess.DEVNULL
        )
        for tree in trees
    ]
    assert [process.wait() for process in running] == [0, 0]


def rsync(server: Sshd, trees: tuple[Path, Path]) -> None:
    known = server.directory / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    ssh = ["ssh", "-p", str(server.port), "-i", str(server.key_file), "-o", f"UserKnownHostsFile={known}"]
    one, other = trees
    subprocess.run(["rsync", "-rcn", "-e", shlex.join(ssh), f"{one}/", f"{server.user}@127.0.0.1:{other}/"], check=True)


def main() -> list[str]:
    return lines(*measure())


def measure() -> tuple[dict[str, list[float]], float]:
    """Seconds of each way, a number a round; and the peak memory of ours in MB."""
    seconds: dict[str, list[float]] = {}
    memory = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="gonogo-bench-", dir="/var/tmp") as place,
        running_sshd(Path(place) / "sshd") as server,
        # A process of its own: its memory is what a gate of files needs.
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart,
    ):
        trees = (Path(place) / "one", Path(place) / "other")
        grow(trees[0])
        subprocess.run(["cp", "-a", str(trees[0]), str(trees[1])], check=True)
        run = Path(place) / "run"
        run.mkdir()
        sha256sum(trees)  # what is in the page cache is there for all
        for _ in range(ROUNDS):
            full, delta, peak = apart.submit(ours, server.login(), trees, run).result()
            measured = {
                FLOOR: timed(lambda: sha256sum(trees)),
                FULL: full,
                DELTA: delta,
                RSYNC: timed(lambda: rsync(server, trees)),
            }
            for name, value in measured.items():
                seconds.setdefault(name, []).append(value)
            memory = max(memory, peak)
    return seconds, memory


def lines(seconds: dict[str, list[float]], memory: float) -> list[str]:
    floor = statistics.median(seconds[FLOOR])
    size = (LARGE * LARGE_BYTES + sum(100 + number % 8000 for number in range(FILES))) / 1e9
    text = [f"{f'{FILES + LARGE} files, {size:.1f} GB a side':32} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7}"]
    for name, values in seconds.items():
        median = statistics.median(values)
        text.append(f"{name:32} {median:9.2f} {min(values):7.2f} {max(values):7.2f} {median / floor:7.2f}")
    return [*text, f"peak memory of the manifests' process: {memory:.0f} MB"]
