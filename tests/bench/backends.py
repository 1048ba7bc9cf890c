"""A pytest plugin that sends every shell command over one of testinfra's own backends, to compare them with ours.

The backend's name comes in GONOGO_BENCH_BACKEND ("ssh" or "paramiko"). Database, DNS, cloud and HTTP stay as they are.
"""

import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import testinfra

from fixtures.connect.shell import Output, Shell
from fixtures.plan import load_plan

BACKEND = os.environ.get("GONOGO_BENCH_BACKEND", "")


@cache
def _host(user: str, address: str, port: int, key: str, known: str) -> Any:
    directory = Path(tempfile.mkdtemp(prefix="gonogo-bench-"))
    (directory / "known_hosts").write_text(known)
    (directory / "config").write_text(
        f"Host {address}\n  User {user}\n  Port {port}\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {directory}/known_hosts\n  StrictHostKeyChecking yes\n  ControlMaster no\n"
    )
    return testinfra.get_host(
        f"{BACKEND}://{user}@{address}:{port}", ssh_config=str(directory / "config"), ssh_identity_file=key, sudo=True
    )


def _begin(
    self: Shell, command: str, *, stdin: bytes = b"", timeout: float = 60, alone: bool = False, writable: bool = False
) -> Future[Output]:
    if stdin:
        return _ours(self, command, stdin=stdin, timeout=timeout, alone=alone, writable=writable)
    connection = self._connection
    server_key = connection.transport.get_remote_server_key()
    known = f"{connection.host} {server_key.get_name()} {server_key.get_base64()}\n"

    def run() -> Output:
        done = _host(connection.user, connection.host, connection.port, _keys[connection.user], known).run(command)
        return Output(done.rc, done.stdout_bytes, done.stderr_bytes)

    return _one_by_one.submit(run)  # testinfra's backends know no other way


_ours = Shell.begin
_one_by_one = ThreadPoolExecutor(1)


_keys: dict[str, str] = {}
"""Login user -> private key file, of the plan."""


def pytest_configure(config: pytest.Config) -> None:
    plan = load_plan(Path(config.getoption("plan")))
    _keys[plan.source.user] = str(plan.resolve(plan.source.key_file))
    _keys[plan.target.user] = str(plan.resolve(plan.target.key_file))
    if BACKEND in ("ssh", "paramiko"):
        Shell.begin = _begin  # type: ignore[method-assign]
