"""The checklist of the night."""

from datetime import UTC, datetime, timedelta

import pytest

from checks import check_night
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan.waivers import load_signed
from fixtures.run.evidence import Check
from fixtures.run.journal import StepFinished, StepStarted
from fixtures.run.records import Checklist
from fixtures.run.run import Run
from steps import STEPS
from steps.night import checklist
from tests.unit.example import EXAMPLE_TEXT
from tests.unit.signed import GOOD, TODAY, sign

TTL = Check(
    claim="Every authoritative server serves every record with a short TTL.", states=["ttl_lowered"],
    function="check_ttl", file="checks/check_ttl.py", line=1,
)  # fmt: skip


def test_the_checklist_is_written_from_this_very_plan(plan, run):
    sign(plan, GOOD)
    with pytest.raises(CouldNotVerify):
        check_night.check_checklist_is_of_this_plan(plan, run)
    (run.directory / "catalogue.json").write_text("{}")
    checklist.write_checklist.function(plan, run)
    check_night.check_checklist_is_of_this_plan(plan, run)
    record = run.records(Checklist)
    assert [(risk.name, risk.who) for risk in record.risks] == [
        ("one-server", "Mara Manager"),
        ("secrets-in-image", ""),
    ]
    assert [a.who for a in record.attestations] == ["Olga", "Oleg"]
    written = run.directory / "checklist.md"
    text = written.read_text()
    for changed in (text + "x", None):
        if changed is None:
            written.unlink()
        else:
            written.write_text(changed)
        with pytest.raises(NoGo, match=r"checklist\.md"):
            check_night.check_checklist_is_of_this_plan(plan, run)
    written.write_text(text)
    plan.path.write_text(EXAMPLE_TEXT + "\n# a word more\n")
    with pytest.raises(NoGo, match="SHA-256 of the plan"):
        check_night.check_checklist_is_of_this_plan(plan, run)


@pytest.mark.parametrize("form", ["md", "html"])
def test_the_checklist_holds_what_the_night_needs(plan, run, form):
    sign(plan, GOOD)
    text = checklist.render(plan, [run], load_signed(plan, TODAY), form, {"a": TTL})
    wanted = [
        "01:00 on Sunday 6 December 2026 (America/Toronto, UTC-05:00), 2026-12-06 06:00 UTC", "Olga Operator",
        "support@smallpayroll.test", "60 minutes", "ns1", "app.smallpayroll.test A", "Mara Manager", "gonogo back-out",
        "production will lack", "nothing of production is closed", "Accept", "Every authoritative server serves every record",
        "02:00 on Sunday 6 December 2026",
    ]  # fmt: skip
    for part in [*wanted, *(one.name for one in STEPS if one.concerns(plan))]:
        assert part in text
    for fetched in ("src=", "href=", "url(", "@import"):
        assert fetched not in text
    assert ("NOT SIGNED" if form == "md" else "not signed") in text


def test_the_way_back_changes_when_production_closes_and_when_the_target_opens(plan):
    back = {line.step.name: line.back for lines in checklist.phases(plan, {}).values() for line in lines}
    assert back["lower_ttl"] == checklist.FREE
    assert back["close_source"] == back["start_application_again"] == checklist.LOSSLESS
    assert back["open_target"] == back["accept"] == checklist.COSTLY


def test_what_steps_took_comes_from_the_newest_run_that_finished_them(plan, tmp_path):
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    runs = []
    for number, seconds in ((1, 5.0), (2, 7.5)):
        one = Run(tmp_path / f"2026110{number}T000000Z-smallpayroll")
        for kind, later in ((StepStarted, 0.0), (StepFinished, seconds)):
            one.journal(kind(step="copy_database", at=begun + timedelta(seconds=later)))
        one.journal(StepStarted(step="copy_uploads", at=begun))
        runs.append(one)
    took = checklist.durations(runs)
    assert took == {"copy_database": 7.5}
    lines = {line.step.name: line.took for phase in checklist.phases(plan, took).values() for line in phase}
    assert lines["copy_database"] == "7.5 s"
    assert lines["copy_database_again"] == "7.5 s, as copy_database took"
    assert lines["copy_uploads"] == ""


def test_each_gate_has_the_claims_of_its_checks_in_the_order_of_their_files(plan):
    def check(claim, file, line, *marks):
        return Check(claim=claim, states=marks, function="check", file=file, line=line)

    catalogue = {
        "1": check("Two is so.", "checks/check_a.py", 20, "dependencies_installed", "runtime_installed"),
        "2": check("One is so.", "checks/check_a.py", 9, "runtime_installed"),
        "3": check("One is so.", "checks/check_a.py", 9, "runtime_installed"),
    }
    found = {test.state: test.claims for test in checklist.tests(plan, catalogue)}
    assert found["runtime_installed"] == ("One is so.", "Two is so.")
    assert found["dependencies_installed"] == ("Two is so.",)
    assert found["accepted"] == ()
