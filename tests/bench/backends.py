"""A pytest plugin that asks what a gate asked the two hosts once more: with gonogo's shell, and with testinfra's own backends.

It runs when the checks have: the same commands, by each way, with each round trip of GONOGO_BENCH_DELAYS (milliseconds, with
spaces between) before everything. Connecting counts. It prints a line of JSON for each measurement.
"""

import base64
import json
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra

from fixtures.connect.host import Host, open_host
from fixtures.facts.fact import HostFact
from fixtures.plan import Login, load_plan
from fixtures.plugin.gathering import Gathering
from tests.bench.relay import relay_to

OURS = "gonogo's shell"
WAYS = {
    OURS: "",
    "testinfra ssh, multiplexed": "ssh://{user}@{address}:{port}",
    "testinfra ssh, plain": "ssh://{user}@{address}:{port}?controlpersist=0",
    "testinfra paramiko": "paramiko://{user}@{address}:{port}",
}
MARK = "bench "


@dataclass
class Asked:
    """What the checks asked one host."""

    host: Host
    facts: list[HostFact[Any]]


ASKED: dict[str, Asked] = {}


def pytest_configure() -> None:
    begin = Gathering._begin

    def noted(self: Gathering, connection: Any, fact: Any, opened: Future[Any]) -> Any:
        if isinstance(fact, HostFact):
            ASKED.setdefault(connection, Asked(opened.result(), [])).facts.append(fact)
        return begin(self, connection, fact, opened)

    Gathering._begin = noted  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    plan = load_plan(Path(session.config.getoption("plan")))
    for delay in map(int, os.environ["GONOGO_BENCH_DELAYS"].split()):
        for way, backend in WAYS.items():
            directory = Path(tempfile.mkdtemp(prefix="gonogo-bench-"))
            begun, own = time.monotonic(), _processor()
            try:
                seconds = delay / 1000
                count = _ours(plan, seconds) if way == OURS else _theirs(plan, seconds, backend, directory)
            finally:
                shutil.rmtree(directory)
            told = {"delay": delay, "way": way, "seconds": time.monotonic() - begun, "commands": count}
            print(f"\n{MARK}{json.dumps({**told, 'processor': _processor() - own})}")  # noqa: T201 - for whoever measures
    return result


def _processor() -> float:
    """Seconds of the processor that this process and the clients that it started took."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _login(plan: Any, asked: Asked, seconds: float) -> Any:
    """How a host is logged in to through the relay."""
    connection = asked.host.connection
    key = connection.transport.get_remote_server_key()
    address, port = relay_to(connection.host, connection.port, seconds)
    through = {"address": address, "port": port, "host_key": f"{key.get_name()} {key.get_base64()}", "jump": None}
    if asked.host.name == "source":
        return plan.source.model_copy(update=through)
    return Login(user=plan.target.user, key_file=plan.target.key_file, **through)


def _ours(plan: Any, seconds: float) -> int:
    """Everything at once, both hosts side by side."""
    with ThreadPoolExecutor(len(ASKED)) as pool:
        hosts = list(pool.map(lambda asked: _opened(plan, asked, seconds), ASKED.values()))
    waiting = [
        host.shell.begin(shlex.join(fact.argv), stdin=fact.stdin, timeout=fact.timeout, alone=fact.alone)
        for host, asked in zip(hosts, ASKED.values(), strict=True)
        for fact in asked.facts
    ]
    for one in waiting:
        one.result()
    for host in hosts:
        host.close()
    return len(waiting)


def _opened(plan: Any, asked: Asked, seconds: float) -> Host:
    return open_host(asked.host.name, _login(plan, asked, seconds), plan.resolve, read_only=True)


def _theirs(plan: Any, seconds: float, backend: str, directory: Path) -> int:
    """One command after the other, as testinfra's modules ask."""
    count = 0
    for name, asked in ASKED.items():
        login = _login(plan, asked, seconds)
        key = plan.resolve(login.key_file)
        known = directory / f"{name}.known"
        known.write_text(f"[{login.address}]:{login.port} {login.host_key}\n")
        config = directory / f"{name}.config"
        config.write_text(
            f"Host *\n  UserKnownHostsFile {known}\n  StrictHostKeyChecking yes\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
            f"  ControlPath {directory}/%C\n"  # without one ssh shares no connection, whatever testinfra asks for
        )
        spec = backend.format(user=login.user, address=login.address, port=login.port)
        host = testinfra.get_host(spec, ssh_config=str(config), ssh_identity_file=str(key), sudo=True)
        for fact in asked.facts:
            command = shlex.join(fact.argv)
            if fact.stdin:
                command = f"echo {base64.b64encode(fact.stdin).decode()} | base64 -d | {command}"
            host.run(command)
            count += 1
        if spec.startswith("ssh:"):  # whoever shares a connection leaves a process behind
            subprocess.run(
                ["ssh", "-F", str(config), "-O", "exit", spec.partition("?")[0]], check=False, capture_output=True
            )
    return count
