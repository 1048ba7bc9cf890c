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

ROUND_TRIP = float(os.environ.get("GONOGO_BENCH_DELAY", "0")) / 1000
CHUNK = 1 << 16
RELAY = "relay"


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write what is read, half a round trip later, however much is under way."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    writing = asyncio.create_task(write())
    try:
        while data := await reader.read(CHUNK):
            under_way.put_nowait((time.monotonic() + ROUND_TRIP / 2, data))
    finally:
        under_way.put_nowait((time.monotonic() + ROUND_TRIP / 2, b""))
        await writing


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, port = (await reader.readline()).decode().split()
    try:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.close()
        return
    await asyncio.gather(_hand_on(reader, far_writer), _hand_on(far_reader, writer), return_exceptions=True)
    for one in (writer, far_writer):
        one.close()


def _relay() -> dict[socket.AddressFamily, tuple[str, int]]:
    """Start the relay in a thread of its own: where it listens, by address family."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=RELAY, daemon=True).start()
    places = {}
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(_serve, address, 0, family=family), loop
        ).result()
        places[family] = server.sockets[0].getsockname()[:2]
    return places


def _delay() -> None:
    places = _relay()
    connect, ask = socket.socket.connect, dns.query.udp_with_fallback

    def delayed(self: socket.socket, address: Any) -> None:
        relayed = (
            self.family in places and self.type == socket.SOCK_STREAM and tuple(address[:2]) not in places.values()
        )
        if not relayed or threading.current_thread().name == RELAY:
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
