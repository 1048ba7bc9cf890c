"""How long the proof of a table's rows takes on both sides, beside reading them at all, md5 per row, and reladiff.

`python -m tests.bench.rows --rows 200000` for a quick look. Each round takes every way in turn, so that all meet the
same machine; the floor is COPY to /dev/null of both sides at once over as many connections as the proof has.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import Server, running, session

ROWS = 4_000_000
ROUNDS = 3
CONNECTIONS = 2  # a side; the plan's default
WAYS = ("floor", "proof", "md5", "reladiff", f"reladiff -j {CONNECTIONS}")
KEYS = {"pgbench_accounts": "aid", "mixed": "id"}
SETTINGS = ("shared_buffers=1600MB", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=1GB", "autovacuum=off")

MIXED = """
CREATE TABLE mixed (
  id integer, big bigint, amount numeric(12,2), words text, name character varying(40), day date,
  moment timestamp with time zone, yes boolean, uid uuid, document jsonb, data bytea, ratio double precision,
  code character(2), numbers integer[], note text
);
INSERT INTO mixed SELECT
  g, g * 7919::bigint % 1000003, g * 31::bigint % 100000000 / 100.0, md5(g::text), left(md5((g * 3::bigint)::text), 12),
  date '2020-01-01' + g % 2000, timestamptz '2020-01-01 00:00Z' + g * interval '1.7 s', g % 3 = 0, md5(g::text)::uuid,
  jsonb_build_object('a', g % 100, 'b', left(md5((g % 7)::text), 8)), decode(md5((g * 5::bigint)::text), 'hex'), sqrt(g),
  chr(65 + g % 26) || chr(65 + g % 25), ARRAY[g % 5, g % 9, g], CASE WHEN g % 4 <> 0 THEN 'note ' || g END
FROM generate_series(1, {rows}) g;
ALTER TABLE mixed ADD PRIMARY KEY (id);
"""


@dataclass
class Result:
    """Seconds of one way on one table; `peak` is the resident memory of its process in MB, where it has one."""

    seconds: list[float] = field(default_factory=list)
    peak: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


Results = Mapping[str, Mapping[str, Result]]
"""Table -> way -> what it took."""


@dataclass(frozen=True)
class Pair:
    """Two servers that hold the same tables, and the directory that everything is in."""

    source: Server
    target: Server
    directory: Path

    @property
    def sides(self) -> tuple[Server, Server]:
        return self.source, self.target


@contextmanager
def pair(rows: int) -> Iterator[Pair]:
    """Both servers with their tables (5 GB for four million rows), gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="gonogo-bench-", dir="/var/tmp"))
    try:
        with (
            running(15, directory / "a", settings=SETTINGS) as source,
            running(15, directory / "b", settings=SETTINGS) as target,
        ):
            made = Pair(source, target, directory)
            _both(made, lambda side: _fill(side, rows))
            yield made
    finally:
        shutil.rmtree(directory)


def _fill(side: Server, rows: int) -> None:
    side.run("pgbench", "-i", "-q", "-s", str(rows // 100_000), "postgres")
    side.run("psql", "-XqAt", "-1", "-v", "ON_ERROR_STOP=1", stdin=MIXED.format(rows=rows).encode())
    side.run(
        "psql",
        "-XqAt",
        "-c",
        "ALTER ROLE postgres PASSWORD 'bench'",
        "-c",
        "VACUUM (FREEZE, ANALYZE)",
        "-c",
        "CHECKPOINT",
    )


def _both(made: Pair, work: Callable[[Server], object]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, made.sides))


# -- the ways ---------------------------------------------------------------------------------------------------------


def floor(made: Pair, table: str) -> float:
    """COPY of every row to /dev/null, a range of blocks each connection."""
    begun = time.monotonic()
    work = [(side, number) for side in made.sides for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(lambda one: _copy(*one, table), work))
    return time.monotonic() - begun


def _copy(side: Server, number: int, table: str) -> None:
    with session(side) as one, one.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s) / 8192", (table,))
        [(blocks,)] = cursor.fetchall()
        low, high = (blocks * n // CONNECTIONS for n in (number, number + 1))
        below = f" AND ctid < '({high},0)'" if number < CONNECTIONS - 1 else ""
        cursor.execute(f"COPY (SELECT * FROM {table} WHERE ctid >= '({low},0)'{below}) TO '/dev/null'")


def md5(made: Pair, table: str) -> float:
    """One query a side, as people write it by hand."""
    query = f"SELECT count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric) FROM {table} t"
    begun, found = time.monotonic(), set()
    _both(made, lambda side: found.add(side.run("psql", "-XAtc", query)))
    assert len(found) == 1
    return time.monotonic() - begun


class Reladiff:
    """reladiff in an environment of its own; what its start takes is not counted."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory, with_pip=True)
        pip = [str(directory / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(Path(__file__).with_name("reladiff.txt"))], check=True, capture_output=True)
        self.program = str(directory / "bin/reladiff")
        self.start = min(self._run("--version")[0] for _ in range(3))

    def compare(self, made: Pair, table: str, threads: int) -> float:
        """Seconds of a comparison of all columns with that many threads a side; its own default is one."""
        places = [f"postgresql://postgres:bench@127.0.0.1:{side.port}/postgres" for side in made.sides]
        words = [word for place in places for word in (place, table)]
        seconds, output = self._run(*words, "-k", KEYS[table], "-c", "%", "-j", str(threads), "-a", "hashdiff", "-s")
        assert "\n0 rows updated" in output, output
        return seconds - self.start

    def _run(self, *args: str) -> tuple[float, str]:
        begun = time.monotonic()
        done = subprocess.run([self.program, *args], check=True, capture_output=True, text=True)
        return time.monotonic() - begun, done.stdout


def proof(made: Pair, table: str) -> tuple[float, float]:
    """Seconds of our proof, and the peak memory in MB of the process that did it."""
    command = [sys.executable, "-m", "tests.bench.rows_proof", table, str(CONNECTIONS)]
    command += [word for side in made.sides for word in (side.sockets, str(side.port))]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, output
    return float(output), usage.ru_maxrss / 1024


# -- the table --------------------------------------------------------------------------------------------------------


def measure(rows: int = ROWS, rounds: int = ROUNDS) -> Results:
    with pair(rows) as made:
        reladiff = Reladiff(made.directory / "reladiff")
        results = {table: {way: Result() for way in WAYS} for table in KEYS}
        for table, its in results.items():
            floor(made, table)  # every block is in memory then
            for _ in range(rounds):
                its["floor"].seconds.append(floor(made, table))
                seconds, peak = proof(made, table)
                its["proof"].seconds.append(seconds)
                its["proof"].peak = max(peak, its["proof"].peak or 0)
                its["md5"].seconds.append(md5(made, table))
                its["reladiff"].seconds.append(reladiff.compare(made, table, 1))
                its[f"reladiff -j {CONNECTIONS}"].seconds.append(reladiff.compare(made, table, CONNECTIONS))
    return results


def lines(results: Results, rows: int = ROWS) -> list[str]:
    text = [f"{rows} rows, both sides, {CONNECTIONS} connections a side"]
    text.append(f"{'table':18}{'way':14}{'median s':>10}{'min':>8}{'max':>8}{'x floor':>9}{'x proof':>9}{'peak MB':>9}")
    for table, its in results.items():
        for way, one in its.items():
            ratios = f"{one.median / its['floor'].median:9.2f}{one.median / its['proof'].median:9.2f}"
            peak = f"{one.peak:9.0f}" if one.peak else ""
            numbers = f"{one.median:10.2f}{min(one.seconds):8.2f}{max(one.seconds):8.2f}"
            text.append(f"{table:18}{way:14}{numbers}{ratios}{peak}")
    return text


def main() -> list[str]:
    return lines(measure())


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.bench.rows", description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    given = options.parse_args()
    print(*lines(measure(given.rows, given.rounds), given.rows), sep="\n")  # noqa: T201 - the benchmark's output
