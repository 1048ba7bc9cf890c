"""The sign-off as a page: what it shows, and that texts stay texts."""

import json
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

from fixtures.run.evidence import CheckResult, Problem
from fixtures.run.records import Attested, Checklist, DataCopy, DnsBefore, FileCount, FilesCopy, SignedRisk, TableCopy
from reports import __main__ as reports_main
from reports import page
from reports.models import SignOff
from tests.unit.reports.runs import NO_GO, PLAN, Made, look

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> | `code` [a](http://x) \x00\x1b[31m \u202egnp.exe {{ 7*7 }}"


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    made = Made(tmp_path / "hostile", PLAN.replace("Olga Operator", json.dumps(HOSTILE)[1:-1].replace("\\ud", "\\uD")))
    made.begin()
    made.journal("step_started", HOSTILE)
    made.record(DataCopy(
        final=True, snapshot=HOSTILE, source_identifier=HOSTILE, target_identifier=HOSTILE, sequences={}, sequences_after={}, large_objects=0,
        tables={HOSTILE: TableCopy(rows=1, digest=HOSTILE)},
    ))  # fmt: skip
    count = FileCount(files=1, links=0, bytes=1)
    made.record(FilesCopy(final=True, manifests={}, counts={HOSTILE: count}, left_behind={HOSTILE: HOSTILE}))
    made.record(DnsBefore(records={HOSTILE: [HOSTILE]}, ttls={}))
    bad = CheckResult(
        id=f"checks/{HOSTILE}::{HOSTILE}", states=["final_data_copied"], claim=HOSTILE, function=HOSTILE, file=HOSTILE,
        parameters={HOSTILE: HOSTILE}, line=1, outcome=NO_GO,
        problem=Problem(subject=HOSTILE, expected=HOSTILE, found=HOSTILE, remedy=HOSTILE),
    )  # fmt: skip
    made.gate(["final_data_copied"], [bad], NO_GO, HOSTILE)
    assert reports_main.main([str(made.directory)]) == 0
    text = (made.directory / "signoff.html").read_text(encoding="utf-8")
    looked = look(text)
    assert looked.found == []
    assert "<script" not in text
    assert "{{ 7*7 }}" in looked.text
    markdown = (made.directory / "signoff.md").read_text(encoding="utf-8")
    for shown in (text, markdown, (made.directory / "junit.xml").read_text(encoding="utf-8")):
        assert not {"\u202e", "\x1b", "\x00"} & set(shown)
        assert r"\u202egnp.exe" in shown.replace("\\\\", "\\")
        assert r"\x1b" in shown
    assert "<script" not in markdown
    assert "[a](" not in markdown
    ET.parse(made.directory / "junit.xml")
    SignOff.model_validate_json((made.directory / "signoff.json").read_text(encoding="utf-8"))


def test_what_a_copy_left_behind_is_shown(made: Made) -> None:
    made.walk("night_prepared")
    count = FileCount(files=1, links=0, bytes=1)
    made.record(FilesCopy(
        final=False, manifests={}, counts={"/srv/a": count, "/srv/b": count},
        left_behind={"/srv/a": "setuid or setgid of a file: tool"},
    ))  # fmt: skip
    for text in (page.html(made.sign()), page.markdown(made.sign())):
        assert text.count("because a copy gives nobody root") == 1
        assert "setuid or setgid of a file: tool" in text


def test_who_signed_for_a_risk_and_what_was_attested_is_shown(made: Made) -> None:
    made.walk("night_prepared")
    assert made.sign().attestations == []
    signed = SignedRisk(name="one-server", meaning="One host.", who="Mara", when=date(2026, 11, 1), reason="bearable")
    drill = Attested(what="back-out drill", who="Olga", when=date(2026, 11, 2), how="in the lab")
    unsigned = SignedRisk(name="plain-http", meaning="No HTTPS.")
    made.record(Checklist(plan="p", sha256="s", risks=[signed, unsigned], attestations=[drill]))
    sign = made.sign()
    assert [risk.signed for risk in sign.risks[:2]] == ["Mara, 2026-11-01: bearable", ""]
    for text in (page.html(sign), page.markdown(sign)):
        for part in (
            "one-server",
            "Signed by Mara, 2026-11-01: bearable",
            "back-out drill",
            "Olga, 2026-11-02: in the lab",
        ):
            assert part in text
        assert text.count("Signed by") == 1
