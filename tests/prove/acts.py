"""SIGKILL at every act of the cutover and of its back-out, with users at work.

A walk is a night whose run dies at its first act, goes on by the same command and dies at its second one, and so on to the
end. Whether it dies before the act, in it or after it is chosen by the number of the stop.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from fixtures.run.journal import Accepted, BackedOut
from steps.engine.executor import ended
from tests.labsite import ROOT, Site, environment, finished
from tests.prove.cutover_night import Night, ended_well, kept
from tests.prove.killed import BACK_OUT, Died, Place

STEPS = (
    "close_source", "stop_target_application", "copy_database_again", "copy_uploads_again", "start_application_again",
    "open_target", "change_dns", "accept",
)  # fmt: skip
"""The steps of the cutover in the lab, in order."""
WALKS = {"on": "", "back from the final copy": "final_files_copied", "back from the open target": "dns_changed"}
"""Walk -> the state in which it turns back; "" where it goes on until the target is accepted."""


def walk(this: Night, name: str) -> None:
    """Die at every act of this walk; each stop is noted. Raises AssertionError for whatever was not as promised."""
    site, turn = this.site, WALKS[name]
    this.back = bool(turn)
    if turn:
        done = site.gonogo("run", "--yes", "--until", turn)
        assert done.code == 0, done.out
    command, steps = ("back-out", (BACK_OUT,)) if turn else ("run", STEPS)
    step, act = steps[0], 1
    while True:
        code, said, died = _killed(site, command, Place(steps, step, act, seed=len(kept()) + len(this.made)))
        if died is None:
            if ended(site.last_run, BackedOut if turn else Accepted):
                return
            # Users on both hosts are rightly no state to accept.
            moved = not turn and finished("change_dns")(site.journal())
            assert moved, said
            assert act != 0, said
            this.led_by_the_name_alone()
            step, act = "accept", 0
            continue
        moment = Place(steps, step, act, seed=len(kept()) + len(this.made)).moment
        this.stopped("SIGKILL", f"{name}, {moment} act {died.act} of {died.step} ({_short(died.what)})")
        ended_well(site, "SIGKILL", code, said)
        step, act = died.step, died.act + 1


def _killed(site: Site, command: str, place: Place) -> tuple[int, str, Died | None]:
    """Run a command that dies at a place: its exit code, what it printed, and where it died; None where it ended by itself."""
    with tempfile.TemporaryDirectory() as directory:
        note = Path(directory) / "died.json"
        words = [json.dumps(asdict(place)), str(note), command, "--plan", str(site.plan_path), "--yes"]
        done = subprocess.run(
            [sys.executable, "-m", "tests.prove.killed", *words], cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, start_new_session=True, check=False,
        )  # fmt: skip
        died = Died(**json.loads(note.read_text())) if note.exists() else None
    return done.returncode, done.stdout, died


def _short(what: str) -> str:
    return " ".join(what.replace("|", "/").split())[:90]
