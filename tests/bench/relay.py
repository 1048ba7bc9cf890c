"""A relay on the loopback that hands each byte on half a round trip later, whichever way it goes."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable

CHUNK = 1 << 16
THREAD = "relay"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, round_trip: float) -> None:
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
            under_way.put_nowait((time.monotonic() + round_trip / 2, data))
    finally:
        under_way.put_nowait((time.monotonic() + round_trip / 2, b""))
        await writing


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, round_trip: float
) -> None:
    """Connect whoever came in with a port, a round trip of so many seconds away."""
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(
        _hand_on(reader, far_writer, round_trip), _hand_on(far_reader, writer, round_trip), return_exceptions=True
    )
    for one in (writer, far_writer):
        one.close()


def listen(serve: Serve, family: socket.AddressFamily = socket.AF_INET) -> tuple[str, int]:
    """Serve on a free port of the loopback, in a thread of its own, for as long as the process lives: where."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=THREAD, daemon=True).start()
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, address, 0, family=family), loop).result()
    found: tuple[str, int] = server.sockets[0].getsockname()[:2]
    return found


def relay_to(host: str, port: int, round_trip: float) -> tuple[str, int]:
    """Where a port of a host is reached with a round trip of so many seconds: for clients that are no part of this process."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)  # to connect
        await join(reader, writer, host, port, round_trip)

    return listen(serve)
