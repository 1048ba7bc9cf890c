"""`make bench`: times and memory, as ratios. Names as arguments choose benchmarks: `python -m tests.bench files`."""

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.bench import files, gates, rows

BENCHMARKS: Mapping[str, Callable[[], list[str]]] = {"gates": gates.main, "files": files.main, "rows": rows.main}
"""Name -> what measures, and gives the lines of its table."""


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all without one")
    chosen = options.parse_args(arguments).names or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        options.error(f"no benchmark {', '.join(unknown)}")
    for name in chosen:
        print(f"\n{name}", *BENCHMARKS[name](), sep="\n", flush=True)  # noqa: T201 - the benchmark's output
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
