"""Private PostgreSQL servers, versions 13, 15 and 17, each with its own directory, for tests and benchmarks.

The host's own version serves as it is; the others run in a root file system of the Debian release that carries them,
built once by the lab's machinery (about half a minute) and kept in its cache. Needs root.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg2
from psycopg2.extensions import connection as Session  # noqa: N812 - its one name elsewhere is too broad here

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.runner import Output
from fixtures.lab.hosts import images
from fixtures.lab.hosts.recipes import Recipe
from tests.unit.loopback import free_port

SUITES = {13: "bullseye", 15: "bookworm", 17: "trixie"}
START = 30  # seconds until a server answers

# Everything in it ends with its first process, and that one with ours: no process, mount or shared memory outlives a
# test. The shell stays root, and so stays the first process: a change of user would lose the signal of its parent's end.
_INSIDE = """
mount --bind "$2" "$1/mnt"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
root=$1; shift 2
chroot "$root" setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
exit $?
"""


@dataclass
class Server:
    """A server of one version; its directory is /mnt for every program that runs inside its root."""

    version: int
    directory: Path
    root: Path
    port: int
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def sockets(self) -> str:
        return str(self.directory / "s")

    def command(self, program: str, *args: str) -> list[str]:
        """What runs a program of this version (pg_dump, psql ...) inside its root as postgres, on this server's socket."""
        place = ["-h", "/mnt/s", "-p", str(self.port)] if program not in ("initdb", "postgres") else []
        # fmt: off
        return [
            "setpriv", "--pdeathsig", "KILL", "--",
            "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child=KILL", "--",
            "sh", "-ec", _INSIDE, "inside", str(self.root), str(self.directory),
            f"/usr/lib/postgresql/{self.version}/bin/{program}", *place, *args,
        ]
        # fmt: on

    def run(self, program: str, *args: str, stdin: bytes = b"") -> bytes:
        """The output of such a program; raises where it fails."""
        done = subprocess.run(self.command(program, *args), input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, f"{program} {' '.join(args)}: {done.stderr.decode(errors='replace')}"
        return done.stdout

    def connect(self, dbname: str = "postgres", user: str = "postgres") -> Session:
        return psycopg2.connect(host=self.sockets, port=self.port, dbname=dbname, user=user)

    def start(self) -> None:
        settings = ("unix_socket_directories=/mnt/s", "listen_addresses=127.0.0.1", "fsync=off", *self.settings)
        words = [word for setting in settings for word in ("-c", setting)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command("postgres", "-D", "/mnt/data", "-p", str(self.port), *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + START
        while True:
            try:
                self.connect().close()
            except psycopg2.OperationalError:
                waited_long = time.monotonic() > until or self.process.poll() is not None
                assert not waited_long, (self.directory / "log").read_text()[-2000:]
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once; what was committed is there after `start`."""
        if self.process is not None:
            # The first process of its namespace ends when all others in it have: until then a session may still answer.
            inside = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            self.process.kill()
            self.process.wait()
            self.process = None
            until = time.monotonic() + START
            while any(Path(f"/proc/{pid}").exists() for pid in inside):
                assert time.monotonic() < until, f"PostgreSQL in process {' '.join(inside)} does not end"
                time.sleep(0.01)
            for name in ("s/.s.PGSQL.*", "data/postmaster.pid"):  # nobody else can be there
                for left in self.directory.glob(name):
                    left.unlink()


@contextmanager
def running(version: int, directory: Path, locale: str = "C.UTF-8", settings: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server of that version with its data in a new directory; locale: C.UTF-8 or en_US.UTF-8.

    Everybody may connect to the socket as anybody; over TCP a password is asked for.
    """
    directory.mkdir()
    directory.chmod(0o755)
    server = Server(version, directory, _root(version, locale), free_port(), settings)
    for name in ("s", "data"):
        place = directory / name
        place.mkdir()
        os.chown(place, _postgres(server.root), -1)
    server.run("initdb", "-D", "/mnt/data", "--locale", locale, "-E", "UTF8", "-A", "trust",
               "--auth-host", "scram-sha-256", "--no-sync")  # fmt: skip
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def session(server: Server, dbname: str = "postgres", user: str = "postgres") -> Iterator[Session]:
    """A session that is closed afterwards."""
    with contextlib.closing(server.connect(dbname, user)) as one:
        yield one


def _postgres(root: Path) -> int:
    users = (line.split(":") for line in (root / "etc/passwd").read_text().splitlines())
    return next(int(fields[2]) for fields in users if fields[0] == "postgres")


def _root(version: int, locale: str) -> Path:
    if locale == "C.UTF-8" and Path(f"/usr/lib/postgresql/{version}/bin/postgres").exists():
        return Path("/")
    recipe = Recipe(
        packages=(f"postgresql-{version}", "locales"),
        script="localedef -i en_US -f UTF-8 en_US.UTF-8; rm -r /var/lib/postgresql/* /usr/share/locale /usr/share/i18n",
        suite=SUITES[version],
    )
    return images.bootstrapped(f"postgresql-{version}", recipe)


class Local(Database):
    """The database server of a `Server`, reached by its socket instead of over SSH, as the user that it knows as postgres."""

    def __init__(self, server: Server, dbname: str = "app", *, name: str = "source", read_only: bool = False) -> None:
        super().__init__(OnServer(server, name), dbname=dbname, port=server.port, read_only=read_only)
        self.server = server

    def connect(self, *args: Any, **options: Any) -> Session:
        with _as(_postgres(self.server.root)):
            return super().connect(*args, **options)

    def _open_pipeline(self, dbname: str, more: Mapping[str, str]) -> psycopg.Connection[Any]:
        with _as(_postgres(self.server.root)):
            return super()._open_pipeline(dbname, more)

    def _kept_relay(self) -> Any:
        return SimpleNamespace(directory=Path(self.server.sockets), failure=None, errors="")


class OnServer(Host):
    """The host of a `Server`: this very machine, where what the server calls /mnt is the server's directory.

    Tests that write elsewhere on it say in `places` where that is.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.name, self.read_only, self.shell = name, False, self
        self.places = {"/mnt/": f"{server.directory}/"}

    def run(self, command: str, stdin: bytes = b"", **_: Any) -> Output:
        for word, place in self.places.items():
            command = command.replace(word, place)
        with _as(0):
            done = subprocess.run(["bash", "-c", command], input=stdin, capture_output=True, check=False)
        return Output(done.returncode, done.stdout, done.stderr)

    def begin(self, command: str, stdin: bytes = b"", **_: Any) -> "Future[Output]":
        answer: Future[Output] = Future()
        answer.set_result(self.run(command, stdin))
        return answer


_BEING = threading.RLock()


@contextmanager
def _as(user: int) -> Iterator[None]:
    """Who a server on a socket sees: the process's effective user, which is one for all threads, when it connects."""
    with _BEING:
        os.seteuid(user)
        try:
            yield
        finally:
            os.seteuid(0)
