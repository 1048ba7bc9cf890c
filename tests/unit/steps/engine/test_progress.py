"""What the operator sees and the log keeps of a host's words."""

import sys
import threading
from io import StringIO
from pathlib import Path

import pytest

from fixtures.redaction import Redacting
from steps.engine import progress as showing
from steps.engine.progress import Progress

SAID = "the host says \x1b[2J\x1b]0;owned\x07 \u202e\r[bold]ok"
SHOWN = r"the host says \x1b[2J\x1b]0;owned\x07 \u202e\r[bold]ok"


def test_a_hosts_words_act_neither_on_the_terminal_nor_in_the_log(monkeypatch, tmp_path):
    screen = StringIO()
    monkeypatch.setattr(sys, "stdout", Redacting(screen))
    progress = Progress(tmp_path / "run.log")
    progress.say(SAID, "bold red")
    assert screen.getvalue() == f"{SHOWN}\n"
    assert (tmp_path / "run.log").read_text().endswith(f"Z {SHOWN}\n")


def test_a_spinner_draws_and_a_hosts_words_do_not(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", Redacting(screen))
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress()
    with progress.working(SAID):
        progress.say(SAID)
        sys.stdout.write(f"{SAID}\n")  # what some library prints meanwhile
    drawn = screen.getvalue()
    assert "\x1b[?25l" in drawn
    assert drawn.count(SHOWN) >= 2
    assert not any(sequence in drawn for sequence in ("\x1b[2J", "\x1b]0", "\x07", "\u202e"))


@pytest.mark.parametrize("terminal", [True, False])
def test_the_log_is_never_silent_for_long_whatever_the_terminal_shows(monkeypatch, tmp_path, terminal):
    """A step, or a gate, that says nothing by itself."""
    monkeypatch.setattr(showing, "QUIET_SECONDS", 0.05)
    screen = StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdout", Redacting(screen))
    monkeypatch.setenv("TERM", "xterm")
    log = tmp_path / "run.log"
    with Progress(log).working("close_source: is it ready?"):
        for _ in range(200):
            if log.exists() and len(log.read_text().splitlines()) >= 3:
                break
            threading.Event().wait(0.05)
    assert log.read_text().count("... close_source: is it ready? (") >= 3
    assert "close_source: is it ready?" in screen.getvalue()


def test_a_full_disk_keeps_no_line_from_the_operator(monkeypatch):
    screen = StringIO()
    monkeypatch.setattr(sys, "stdout", Redacting(screen))
    Progress(Path("/dev/full")).say("production is closed")
    assert screen.getvalue() == "production is closed\n"
