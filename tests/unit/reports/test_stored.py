"""Damaged evidence is named, and the rest is read."""

from reports import page
from reports.models import Status
from tests.unit.reports.runs import Made


def test_damaged_evidence_is_named_and_the_rest_is_shown(made: Made) -> None:
    made.walk()
    next((made.directory / "gates").glob("0003-*.json")).write_text("{")
    (made.directory / "records" / "data_copy.json").write_bytes(b"\xff\xfe")
    (made.directory / "plan.toml").write_text("name = ")
    lines = (made.directory / "journal.jsonl").read_text().splitlines(keepends=True)
    (made.directory / "journal.jsonl").write_text("".join([lines[0], "garbage\n", *lines[1:]]))
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert "rows" not in sign.sentence
    said = "\n".join(sign.unreadable)
    for name in ("gates/0003-", "gate 3: the journal names it", "data_copy.json", "plan.toml", "journal.jsonl, line 2"):
        assert name in said
    assert "Evidence that could not be read" in page.html(sign)
