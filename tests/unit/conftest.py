"""What several unit tests start from."""

import tempfile
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from fixtures.plan import Plan, load_plan
from fixtures.redaction import known_secrets
from fixtures.run.run import Run
from tests.unit.example import EXAMPLE


@pytest.fixture(autouse=True)
def _no_secret_is_left():
    """What one test had hidden is no secret of the next one."""
    known_secrets.clear()


@pytest.fixture(scope="module")
def endpoint():
    """The address of an imitation of Amazon, empty for each module."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"127.0.0.1:{server.get_host_and_port()[1]}"
    # Every server of one process shows the same imitation, with what another module left in it.
    with closing(HTTPConnection(address)) as connection:
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == 200
    yield f"http://{address}"
    server.stop()


@pytest.fixture
def plan(tmp_path) -> Plan:
    """The example plan, in a directory of its own."""
    (tmp_path / "plan.toml").write_bytes(EXAMPLE.read_bytes())
    return load_plan(tmp_path / "plan.toml")


@pytest.fixture
def open_to_all():
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def run(tmp_path):
    """A run of the example plan that has not recorded anything yet."""
    made = Run(tmp_path / "runs" / "20261101T000000Z-smallpayroll")
    made.directory.mkdir(parents=True)
    return made
