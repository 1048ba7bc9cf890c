"""The proof of one table on two servers, in a process of its own so that its memory can be seen; prints its seconds.

`python -m tests.bench.rows_proof TABLE CONNECTIONS SOCKETS PORT SOCKETS PORT`.
"""

import sys
import time
from contextlib import closing

import psycopg2

from fixtures.connect.sessions import Session
from fixtures.sameness.reading import Reading
from fixtures.sameness.side import Side


def prove(table: str, connections: int, places: list[tuple[str, str]]) -> float:
    begun = time.monotonic()
    source, target = (
        Side(
            Reading(
                name,
                lambda host=host, port=port: psycopg2.connect(
                    host=host, port=port, user="postgres", dbname="postgres", connection_factory=Session
                ),
                connections=connections,
            )
        )
        for name, (host, port) in zip(("source", "target"), places, strict=True)
    )
    with closing(source), closing(target):
        target.begin(table)
        assert source.digest(table).text == target.digest(table).text
    return time.monotonic() - begun


if __name__ == "__main__":
    asked, several, *rest = sys.argv[1:]
    print(prove(f"public.{asked}", int(several), list(zip(rest[::2], rest[1::2], strict=True))))  # noqa: T201
