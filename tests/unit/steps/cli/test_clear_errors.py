"""Errors of the operator's own machine are clear ones."""

import errno
import os

import pytest
import typer

from steps.cli.clear_errors import clear_errors


def test_a_full_disk_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    @clear_errors
    def command() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal.jsonl")

    with pytest.raises(typer.Exit) as ended_with:
        command()
    assert ended_with.value.exit_code == 1
    assert "journal.jsonl" in (out := capsys.readouterr().out)
    assert "No space left" in out
