"""Peers that accept and then say nothing, or one byte after another without end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko

from fixtures.connect.host import Host
from fixtures.plan import Login
from tests.unit.loopback import free_port, make_key

PAUSE = 0.05
"""Seconds between two bytes: far less than any limit for a part that arrives."""


def drip(send: Any, text: bytes, ended: threading.Event) -> None:
    """Send a text for ever, a byte at a time; without one send nothing."""
    while text and not ended.is_set():
        for byte in text:
            send(bytes([byte]))
            if ended.wait(PAUSE):
                return


class Peer:
    """A listener: each connection is sent `says` after its first bytes (or at once), and then `drips`."""

    def __init__(
        self, listener: socket.socket, says: bytes = b"", drips: bytes = b"", *, at_once: bool = False
    ) -> None:
        self._listener, self._says, self._drips, self._at_once = listener, says, drips, at_once
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if not self._at_once:
                connection.recv(1 << 16)
            connection.sendall(self._says)
            drip(connection.sendall, self._drips, self._ended)
            self._ended.wait()

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def peer(says: bytes = b"", drips: bytes = b"", *, at_once: bool = False) -> Iterator[Peer]:
    """A peer on loopback."""
    made = Peer(socket.create_server(("127.0.0.1", 0)), says, drips, at_once=at_once)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def full_peer() -> Iterator[int]:
    """The port of a listener that takes no more connections: whoever knocks hears nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


_SETTINGS = {"server_version": "15.1", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "integer_datetimes": "on",
             "standard_conforming_strings": "on", "server_encoding": "UTF8"}  # fmt: skip
LOGGED_IN = (
    _message(b"R", (0).to_bytes(4))
    + b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in _SETTINGS.items())
    + _message(b"K", (1).to_bytes(4) * 2)
    + _message(b"Z", b"I")
)
"""What PostgreSQL says to a client that it lets in without a password."""
ENDLESS_NOTICE = b"N" + (1 << 20).to_bytes(4) + b"S" * 100
"""The begin of a message of PostgreSQL that never ends."""


@contextmanager
def database_peer(directory: Path, says: bytes = b"", drips: bytes = b"") -> Iterator[Any]:
    """A PostgreSQL on a Unix socket: what a relay stands for."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / ".s.PGSQL.5432"))
    listener.listen()
    made = Peer(listener, says, drips)
    try:
        yield SimpleNamespace(directory=directory, failure=None, errors="")
    finally:
        made.close()


class _Server(paramiko.ServerInterface):
    """An SSH server that falls silent at one moment: `login`, `session`, `command` or `output`."""

    def __init__(self, silent_at: str, says: bytes, drips: bytes, ended: threading.Event) -> None:
        self._silent_at, self._says, self._drips, self._ended = silent_at, says, drips, ended

    def _at(self, moment: str) -> None:
        if self._silent_at == moment:
            self._ended.wait()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._at("login")
        return paramiko.common.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._at("session")
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._at("command")
        threading.Thread(target=self._say, args=(channel,), daemon=True).start()
        return True

    def _say(self, channel: paramiko.Channel) -> None:
        with suppress(OSError):
            channel.sendall(self._says)
            drip(channel.sendall, self._drips, self._ended)


@contextmanager
def ssh_login(directory: Path, silent_at: str, says: bytes = b"", drips: bytes = b"") -> Iterator[Login]:
    """The login at an SSH server that falls silent."""
    directory.mkdir(exist_ok=True)
    key = make_key(directory / "id")
    mine = paramiko.Ed25519Key.from_private_key_file(str(make_key(directory / "host_key")))
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", free_port()))
    transports = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                transport = paramiko.Transport(listener.accept()[0])
                transports.append(transport)
                transport.add_server_key(mine)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(threading.Event(), _Server(silent_at, says, drips, ended))

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield Login(
            address="127.0.0.1", port=listener.getsockname()[1], user="root", key_file=key,
            host_key=f"{mine.get_name()} {mine.get_base64()}",
        )  # fmt: skip
    finally:
        ended.set()
        listener.close()
        for transport in transports:
            transport.close()


def streaming(channel: paramiko.Channel, name: str = "source") -> Host:
    """A host of which only one channel is there."""
    host = Host.__new__(Host)
    host.name, host.read_only = name, False
    host.shell = SimpleNamespace(channel=lambda *_, **__: channel)  # type: ignore[assignment]
    host.check = lambda *_, **__: "0"  # type: ignore[method-assign]
    return host
