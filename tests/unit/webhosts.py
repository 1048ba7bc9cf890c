"""A host of its own on this machine, with a real nginx: its processes, its network and its /etc/nginx are nobody else's. Needs root."""

import ctypes
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from fixtures.connect.host import Host
from fixtures.connect.runner import Output
from fixtures.connect.shell import READ_ONLY
from tests.unit.websites import Replying

T = TypeVar("T")
NGINX = "/usr/sbin/nginx"
START = 30
_NETWORK = 0x40000000
_INSIDE = """
mount --make-rprivate /
cp /etc/nginx/mime.types "$1"
for place in /etc/nginx /var/lib/gonogo /var/log/nginx /run /srv; do mkdir -p "$place"; mount -t tmpfs tmpfs "$place"; done
mv "$1/mime.types" /etc/nginx
ip link set lo up
touch "$1/ready"
exec sleep infinity
"""
MAIN = """\
user www-data;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 256; }
http {
    include mime.types;
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
    include sites-enabled/*;
}
"""
"""A main file of Debian's shape."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


class WebHost(Host):
    """The host, reached without SSH; `inside` is its first process."""

    def __init__(self, inside: int, directory: Path, name: str = "source", *, read_only: bool = False) -> None:
        self.name, self.shell, self.read_only = name, self, read_only
        self.inside, self.directory = inside, directory
        self.before_each: Callable[[str], str] = str
        """What a test makes of a command before it runs."""

    def run(self, command: str, stdin: bytes = b"", timeout: float = 60, **_: Any) -> Output:
        enter = ["nsenter", "-t", str(self.inside), "-m", "-p", "-n", "--"]
        shell = [*(READ_ONLY if self.read_only else ()), "bash", "-c", self.before_each(command)]
        done = subprocess.run([*enter, *shell], input=stdin, timeout=timeout, capture_output=True, check=False)
        return Output(done.returncode, done.stdout, done.stderr)

    def watched(self) -> "WebHost":
        """The same host, on which nothing may be written."""
        return WebHost(self.inside, self.directory, self.name, read_only=True)

    def write(self, **files: str) -> None:
        """Write files below /etc/nginx; in their names __ stands for / and ___ for a dot."""
        for name, text in files.items():
            self.put(f"/etc/nginx/{name.replace('___', '.').replace('__', '/')}", text)

    def put(self, path: str, text: str) -> None:
        self.check(["sh", "-c", 'mkdir -p "${1%/*}"; cat >"$1"', "put", path], text.encode())

    def start(self) -> None:
        self.check([NGINX])

    def reload(self) -> None:
        """Have nginx read its files, and wait until it goes by them."""
        old = self._workers()
        self.check([NGINX, "-s", "reload"])
        until = time.monotonic() + START
        while self._workers() & old:
            assert time.monotonic() < until, "nginx does not reload"

    def _workers(self) -> set[str]:
        return {*self.run("pgrep -f '^nginx: worker process$'").text.split()}

    def stop(self) -> None:
        self.run("pkill -KILL -f '^nginx: '; while pgrep -f '^nginx: '; do sleep 0.05; done")

    def in_network(self, make: Callable[[], T]) -> T:
        """What a function makes in this host's network: sockets stay there."""

        def made() -> T:
            with Path(f"/proc/{self.inside}/ns/net").open() as network:
                assert ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _NETWORK) == 0
            return make()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(made).result()

    def connection(self, port: int = 80, host: str = "127.0.0.1", name: str | None = None) -> HTTPConnection:
        """A connection to nginx; `name` is asked for by TLS."""
        made = HTTPConnection(host, port, timeout=20)
        self.in_network(made.connect)
        if name is not None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            made.sock = context.wrap_socket(made.sock, server_hostname=name)
        return made

    def ask(
        self,
        host: str,
        path: str = "/",
        method: str = "GET",
        *,
        port: int = 80,
        tls: bool = False,
        body: str | None = None,
    ) -> Answer:
        """The answer to a request."""
        with closing(self.connection(port, name=host if tls else None)) as connection:
            connection.request(method, path, body, {"Host": host})
            got = connection.getresponse()
            return Answer(got.status, dict(got.headers), got.read().decode(errors="replace"))

    @contextmanager
    def application(self, port: int, name: str = "application") -> Iterator[list[str]]:
        """A server behind nginx. It says its name; /slow waits until the list that is given holds something."""
        go_on: list[str] = []

        class Handler(Replying):
            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def answer(self) -> None:
                if self.path == "/slow":
                    go_on.append("begun")
                    until = time.monotonic() + START
                    while "go" not in go_on and time.monotonic() < until:
                        time.sleep(0.01)
                self.reply(200, f"{name} {self.command} {self.path}")

        server = self.in_network(lambda: ThreadingHTTPServer(("127.0.0.1", port), Handler))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield go_on
        server.shutdown()
        server.server_close()


@contextmanager
def web_host(directory: Path) -> Iterator[WebHost]:
    """A host without a site; nginx does not run yet."""
    assert Path(NGINX).exists(), "the tests need nginx (apt-get install nginx-light)"
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL",
         "--mount-proc", "--", "sh", "-ec", _INSIDE, "inside", str(directory)],
    )  # fmt: skip
    try:
        until = time.monotonic() + START
        while not (directory / "ready").exists():
            assert process.poll() is None
            assert time.monotonic() < until, "the host does not begin"
            time.sleep(0.01)
        inside = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        yield WebHost(inside, directory)
    finally:
        process.kill()
        process.wait()
