"""Reports read fields, not words: with every message replaced by random words, they differ in those words alone."""

import json
import random
import re
import shutil
import string
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reports import junit, page, signoff, stored
from reports.models import SignOff, Status
from tests.unit.reports.runs import NO_GO, NO_ROW, UNSURE, WAIVED, Made, wrong

MESSAGES = ("subject", "expected", "found", "remedy", "reason", "claim", "traceback")
"""Fields of the evidence that are written for people, wherever they stand."""
OF_MESSAGES = ("sentence", "title", "not_done")
"""Fields of the sign-off that quote them."""


def random_words(text: str, chance: random.Random) -> str:
    """As many letters, in words of any length: a text that says nothing, and has none of the first one's marks."""
    return (
        "".join(chance.choice(string.ascii_lowercase + "  ") for _ in text)
        .replace("  ", "x ")
        .strip()
        .ljust(len(text), "z")
    )


def reworded(value: Any, chance: random.Random, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: known.setdefault(one, random_words(one, chance))
            if key in MESSAGES and isinstance(one, str) and one
            else reworded(one, chance, known)
            for key, one in value.items()
        }
    return [reworded(one, chance, known) for one in value] if isinstance(value, list) else value


def reword(directory: Path, into: Path, chance: random.Random) -> dict[str, str]:
    """A copy of a run in which every message of journal and gates says something else; what became what."""
    shutil.copytree(directory, into)
    known: dict[str, str] = {}
    for path in into.glob("gates/[0-9]*.json"):
        path.write_text(json.dumps(reworded(json.loads(path.read_text()), chance, known)))
    lines = (into / "journal.jsonl").read_text().splitlines()
    (into / "journal.jsonl").write_text(
        "".join(json.dumps(reworded(json.loads(line), chance, known)) + "\n" for line in lines)
    )
    return known


def outputs(directory: Path, made: Made) -> tuple[SignOff, list[object]]:
    """The sign-off, and what every output holds beside its words: fields, tags, the order of lines and cases."""
    evidence = stored.read(directory)
    sign = signoff.build(evidence, made.now + timedelta(hours=1), ended=True)
    cases = [
        (element.tag, {key: value for key, value in element.attrib.items() if key not in ("message", "value")})
        for element in ET.fromstring(junit.text(evidence, sign)).iter()
    ]
    lines = [re.split(r"[A-Za-z(*]", line)[0] for line in page.markdown(sign).splitlines()]
    return sign, [without_words(sign.model_dump(mode="json")), re.findall(r"<[^>]*>", page.html(sign)), lines, cases]


def without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: bool(one) if key in (*MESSAGES, *OF_MESSAGES) else without_words(one) for key, one in value.items()
        }
    return [without_words(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("end", ["accepted", "no-go", "failed", "could-not-verify"])
def test_reports_read_fields_and_no_words(tmp_path: Path, end: str) -> None:
    made = Made(tmp_path / "20261123T014000Z-smallpayroll")
    match end:
        case "accepted":
            made.walk()
            made.gate(["final_files_copied"], made.checks("final_files_copied", WAIVED, NO_ROW), WAIVED)
        case "no-go":
            made.walk("target_stopped")
            made.gate(["final_data_copied"], made.checks("final_data_copied", NO_GO, NO_ROW), NO_GO)
        case "failed":
            made.walk("data_mounted")
            made.journal("step_started", step="install_runtimes")
            made.journal("step_failed", step="install_runtimes", problem=wrong("No space left on device"))
        case _:
            made.walk("runtime_installed")
            made.gate(
                ["runtime_installed"],
                made.checks("runtime_installed", UNSURE, wrong("away")),
                UNSURE,
                "1 of 2 did not run",
            )
    chance = random.Random(end)
    known = reword(made.directory, tmp_path / "other" / made.directory.name, chance)
    assert len(known) > 10
    (before, said), (after, says) = (
        outputs(one, made) for one in (made.directory, tmp_path / "other" / made.directory.name)
    )
    assert before.status is after.status is Status(end)
    assert before.sentence != after.sentence or end == "accepted"
    for one, other in zip(said, says, strict=True):
        assert one == other
