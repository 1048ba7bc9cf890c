"""A pytest plugin that puts a round trip of GONOGO_BENCH_DELAY milliseconds before everything that a gate reaches over the network.

Every TCP connection of the process goes through a relay of ours on the loopback, which hands each byte on half a round trip
later; connecting, and a question to a name server, take a whole one. At the end it says how long the checks took.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import dns.query
import pytest

from tests.bench.relay import THREAD, join, listen

ROUND_TRIP = float(os.environ.get("GONOGO_BENCH_DELAY", "0")) / 1000


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, port = (await reader.readline()).decode().split()
    await join(reader, writer, host, int(port), ROUND_TRIP)


def _delay() -> None:
    places = {family: listen(_serve, family) for family in (socket.AF_INET, socket.AF_INET6)}
    connect, ask = socket.socket.connect, dns.query.udp_with_fallback

    def delayed(self: socket.socket, address: Any) -> None:
        relayed = (
            self.family in places and self.type == socket.SOCK_STREAM and tuple(address[:2]) not in places.values()
        )
        if not relayed or threading.current_thread().name == THREAD:
            connect(self, address)
            return
        connect(self, places[self.family])
        self.sendall(f"{address[0]} {address[1]}\n".encode())
        time.sleep(ROUND_TRIP)

    def asked(*given: Any, **named: Any) -> Any:
        time.sleep(ROUND_TRIP)
        return ask(*given, **named)

    socket.socket.connect = delayed  # type: ignore[method-assign]
    dns.query.udp_with_fallback = asked


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    if ROUND_TRIP:
        _delay()
    begun, own = time.monotonic(), time.process_time()
    try:
        return (yield)
    finally:
        spent = f"{time.monotonic() - begun:.2f} s, {time.process_time() - own:.2f} s of the processor here"
        print(f"\nchecks took {spent}")  # noqa: T201 - for whoever reads the bench
