"""Servers of the three versions, each started when the first test asks for it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import Server, running


@contextmanager
def started(version: int) -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp())  # pytest's own are too long for the name of a socket
    try:
        with running(version, directory / "pg") as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def server13():
    with started(13) as server:
        yield server


@pytest.fixture(scope="session")
def server15():
    with started(15) as server:
        yield server


@pytest.fixture(scope="session")
def server17():
    with started(17) as server:
        yield server
