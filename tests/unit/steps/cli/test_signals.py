"""A signal ends a command as Ctrl-C does."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from steps.cli.clear_errors import clear_errors
from tests.unit.example import ROOT


@pytest.fixture
def heard():
    """The signals are not ignored, as they are where the tests run in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_begun_is_ended_in_order_and_further_signals_do_not_disturb(capsys, number, heard):
    ended = []

    @clear_errors
    def command() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
            ended.append("in order")

    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as ended_with:
        command()
    assert (ended_with.value.exit_code, ended) == (128 + number, ["in order"])
    assert f"stopped by {number.name}; the same command goes on from here" in capsys.readouterr().out
    assert signal.getsignal(number) is before


def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored():
    body = """
import os, signal
from steps.cli.clear_errors import clear_errors
@clear_errors
def command():
    os.kill(os.getpid(), signal.SIGHUP)
    print("went on")
command()
"""
    done = subprocess.run(
        ["nohup", sys.executable, "-c", body], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "went on" in done.stdout


def test_a_terminal_that_is_gone_keeps_nothing_from_its_end(tmp_path):
    body = f"""
import os, signal, sys
from pathlib import Path
from fixtures.redaction import Redacting
from steps.cli.clear_errors import clear_errors
from steps.engine.progress import Progress
sys.stdout, sys.stderr = Redacting(sys.stdout), Redacting(sys.stderr)
progress = Progress(Path({str(tmp_path / "run.log")!r}))
@clear_errors
def command():
    try:
        sys.stdin.readline()  # until the other end of standard output is closed
        progress.say("a line for nobody")
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        progress.say("production is closed")
command()
"""
    body = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n{body}"
    process = subprocess.Popen([sys.executable, "-c", body], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.close()
    process.communicate(b"\n", timeout=60)
    assert "production is closed" in (tmp_path / "run.log").read_text()
