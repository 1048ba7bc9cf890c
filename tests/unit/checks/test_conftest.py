"""Databases are open while checks run, and no longer; what takes long is said at once."""

from types import SimpleNamespace

import pytest

from checks.conftest import pytest_runtestloop
from fixtures.errors import CouldNotVerify
from fixtures.sameness.proofs import LOCALE, OpenDatabases


class Terminal:
    def __init__(self):
        self.lines = []

    def write_line(self, line):
        self.lines.append(line)


def session(terminal):
    return SimpleNamespace(config=SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda _: terminal)))


def test_news_of_a_proof_are_lines_of_pytests_output():
    terminal = Terminal()
    loop = pytest_runtestloop(session(terminal))
    next(loop)
    OpenDatabases.current._say("rows of production: 7 read")
    assert terminal.lines == ["news: rows of production: 7 read"]
    loop.close()


def test_a_worker_without_a_terminal_says_nothing():
    loop = pytest_runtestloop(session(None))
    next(loop)
    OpenDatabases.current._say("rows of production: 7 read")
    loop.close()


def test_what_ends_the_loop_ends_what_is_being_read():
    loop = pytest_runtestloop(session(None))
    next(loop)
    with pytest.raises(KeyboardInterrupt):
        loop.throw(KeyboardInterrupt)
    with pytest.raises(CouldNotVerify, match="broken off"):
        LOCALE.put(SimpleNamespace(host=SimpleNamespace(name="source")))
