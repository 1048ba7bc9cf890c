"""A virtual environment that is filled from an index, which is a directory served on this machine."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fixtures.run.records import Dependency
from steps.build.runtimes import python
from tests.unit.standins import wheel


def test_a_distribution_is_asked_for_as_production_has_it():
    wanted = {
        "plain": Dependency(version="1.0"),
        "own": Dependency(version="0", origin="-e /srv/app"),
        "forked": Dependency(version="2", origin="git+https://git.test/forked@abc"),
    }
    assert python.requirements(wanted, wanted) == [
        "forked @ git+https://git.test/forked@abc",
        "-e",
        "/srv/app",
        "plain==1.0",
    ]


@pytest.fixture
def index(tmp_path):
    """The address of an index with two versions of one distribution, and another one."""
    for name, version in (("plain", "1.0"), ("plain", "1.1"), ("more", "3")):
        wheel(tmp_path / "simple" / name, name, version, {f"{name}.py": f"version = '{version}'\n"})
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


def fill(directory, index, wanted, more=()):
    script = python.fill_script(directory, "root", "root", f"$(command -v {sys.executable})", index, wanted, more)
    env = {"PATH": os.environ["PATH"]}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)


def installed(directory):
    argv = [directory / "bin" / "python", "-m", "pip", "list", "--format=freeze"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_an_environment_is_made_filled_mended_and_rid_of_what_production_lacks(tmp_path: Path, index):
    directory = tmp_path / "srv" / "venv"
    done = fill(directory, index, ["plain==1.1", "more==3"])
    assert done.returncode == 0, done.stderr
    assert {"plain==1.1", "more==3"} <= set(installed(directory))
    done = fill(directory, index, ["plain==1.0"], ["more"])
    assert done.returncode == 0, done.stderr
    assert "plain==1.0" in installed(directory)
    assert "more==3" not in installed(directory)
    done = fill(directory, index, ["absent==1"])
    assert done.returncode != 0
    assert "absent==1" in done.stderr
