"""The command that writes the reports."""

import os
import subprocess
import sys
from pathlib import Path

from reports import __main__ as reports_main
from reports import page
from reports.models import SignOff, Status
from tests.unit.example import ROOT
from tests.unit.reports.runs import Made, look


def test_an_empty_run_and_no_run(tmp_path: Path) -> None:
    made = Made(tmp_path / "empty")
    sign = made.sign()
    assert sign.status is Status.NOT_BEGUN
    assert reports_main.main([str(made.directory)]) == 0
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert reports_main.main([str(nowhere)]) == 2
    assert list(nowhere.iterdir()) == []


def test_the_command_writes_four_files_that_need_nothing_else(made: Made) -> None:
    made.walk()
    done = subprocess.run(
        [sys.executable, "-m", "reports", str(made.directory)], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert {p.name for p in made.directory.glob("*.*")} >= {"signoff.json", "signoff.html", "signoff.md", "junit.xml"}
    assert list(made.directory.glob(".*")) == []
    sign = SignOff.model_validate_json((made.directory / "signoff.json").read_text(encoding="utf-8"))
    html = (made.directory / "signoff.html").read_text(encoding="utf-8")
    assert html == page.html(sign), "the page is made from signoff.json alone"
    assert look(html).found == []
    assert "url(" not in html
    assert sign.sentence in look(html).text
    assert "225\u00a0731" in (made.directory / "signoff.md").read_text(encoding="utf-8")
