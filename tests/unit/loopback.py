"""A private sshd on this machine's loopback, for tests of the connections."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures.plan import Jump, Login

SSHD = "/usr/sbin/sshd"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return path


@dataclass
class Sshd:
    directory: Path
    port: int
    user: str

    @property
    def key_file(self) -> Path:
        return self.directory / "id"

    @property
    def host_key(self) -> str:
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    def login(self, **changes: object) -> Login:
        values: dict[str, object] = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "key_file": self.key_file,
            "host_key": self.host_key,
        }
        return Login.model_validate({**values, **changes})

    def jump(self, **changes: object) -> Jump:
        return Jump.model_validate(
            {**self.login().model_dump(exclude={"sudo_password", "jump", "commands"}), **changes}
        )


@contextmanager
def running_sshd(directory: Path, *, user: str | None = None, extra: str = "", kind: str = "ed25519") -> Iterator[Sshd]:
    assert Path(SSHD).exists(), "the tests need openssh-server"
    Path("/run/sshd").mkdir(exist_ok=True)
    directory.mkdir(exist_ok=True)
    make_key(directory / "host_key", kind)
    make_key(directory / "id")
    shutil.copy(directory / "id.pub", directory / "authorized_keys")
    config = directory / "sshd_config"
    # The first value of a setting counts.
    config.write_text(
        f"{extra}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\nPidFile {directory}/pid\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nPasswordAuthentication no\nMaxStartups 100\nMaxSessions 100\n"
        f"PermitRootLogin yes\n"
    )
    port = free_port()
    daemon = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(config), "-p", str(port)], stderr=(directory / "log").open("wb")
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Sshd(directory, port, user or getpass.getuser())
    finally:
        daemon.terminate()
        daemon.wait(10)
