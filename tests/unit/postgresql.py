"""A private PostgreSQL in a directory of its own, for tests of the connections."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.unit.loopback import free_port


@dataclass
class Server:
    directory: Path
    port: int

    @property
    def sockets(self) -> str:
        return str(self.directory / "s")

    def ctl(self, *args: str) -> None:
        _as_postgres([f"{_binaries()}/pg_ctl", "-D", str(self.directory / "data"), "-w", *args])

    def start(self) -> None:
        options = f"-p {self.port} -k {self.sockets} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.ctl("-o", options, "-l", str(self.directory / "log"), "start")


def _binaries() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "the tests need postgresql"
    return str(found[-1])


def _as_postgres(argv: list[str]) -> None:
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
    subprocess.run([*become, *argv], check=True, capture_output=True, cwd="/")


@contextmanager
def running_postgresql(directory: Path) -> Iterator[Server]:
    directory.mkdir()
    directory.chmod(0o755)
    subprocess.run(["install", "-d", "-o", "postgres", f"{directory}/s", f"{directory}/p"], check=True)
    server = Server(directory / "p", free_port())
    subprocess.run(["install", "-d", "-o", "postgres", server.sockets], check=True)
    _as_postgres(
        [
            f"{_binaries()}/initdb",
            "-D",
            str(server.directory / "data"),
            "-A",
            "peer",
            "--auth-host",
            "scram-sha-256",
            "--no-sync",
        ]
    )
    server.start()
    try:
        yield server
    finally:
        server.ctl("-m", "immediate", "stop")
