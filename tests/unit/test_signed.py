"""What people sign for: waivers, attestations and named risks; and the checks that ask for it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from checks import check_night
from fixtures.errors import CouldNotVerify, GonogoError, NoGo
from fixtures.lab.signatures import write_signatures
from fixtures.plan import Plan, parse_plan
from fixtures.plan.risks import named_risks
from fixtures.plan.waivers import DRILL, load_signed
from fixtures.run.evidence import Check, now
from fixtures.run.journal import StepFinished, StepStarted
from fixtures.run.records import Checklist, Rehearsal, Survey
from fixtures.run.run import Run
from steps import STEPS
from steps.night import checklist

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs" / "plan.example.toml").read_text()
TODAY = datetime.now().astimezone().date()
GOOD = """
[[waiver]]
check = "checks/check_x.py::check_x"
reason = "known and accepted"
who = "Olga"
until = 2099-01-01

[[attestation]]
what = "back-out drill"
who = "Olga"
when = 2020-01-01
how = "in the lab, twice over"

[[attestation]]
what = "back-out drill"
who = "Oleg"
when = 2020-02-01
how = "in the lab, once more"

[[risk]]
name = "one-server"
who = "Mara Manager"
when = 2020-01-01
reason = "an hour a year is bearable"
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(EXAMPLE)
    return parse_plan(EXAMPLE, tmp_path / "plan.toml")


def sign(plan: Plan, text: str) -> None:
    plan.path.with_suffix(".waivers.toml").write_text(text)


# --- the file -----------------------------------------------------------------------------------------------------------


def test_what_was_signed_is_read_and_the_newest_counts(plan):
    assert load_signed(plan, TODAY).risk == []
    sign(plan, GOOD)
    signed = load_signed(plan, TODAY)
    assert signed.waiver[0].covers("checks/check_x.py::check_x[a]")
    drill = signed.newest(DRILL)
    assert drill
    assert drill.who == "Oleg"
    assert signed.newest("something else") is None
    assert signed.signature("one-server").who == "Mara Manager"
    assert signed.signature("ephemeral-data") is None


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('how = "in the lab, twice over"', 'how = "ok"', "attestation.0.how"),
        ('who = "Mara Manager"', "", "risk.0.who"),
        ("until = 2099-01-01", 'until = "soon"', "waiver.0.until"),
        ('name = "one-server"', 'name = "one-server"\ntypo = 1', "risk.0.typo"),
        ("until = 2099-01-01", "until = 2020-01-01", "the waiver of checks/check_x.py::check_x"),
        ("when = 2020-02-01", "when = 2999-02-01", "attestation of back-out drill, key when"),
        ('name = "one-server"', 'name = "one-serve"', "the risk one-serve, key name"),
        ("[[risk]]", "[risk", "TOML"),
    ],
)
def test_a_mistake_names_its_key_and_what_to_do(plan, old, new, key):
    sign(plan, GOOD.replace(old, new))
    with pytest.raises(GonogoError) as caught:
        load_signed(plan, TODAY)
    assert key in str(caught.value)
    assert caught.value.remedy


def test_nobody_signs_for_a_day_to_come_but_may_for_today(plan):
    sign(plan, GOOD.replace("when = 2020-02-01", f"when = {TODAY}"))
    assert load_signed(plan, TODAY).newest(DRILL).when == TODAY
    with pytest.raises(GonogoError, match="a day to come"):
        load_signed(plan, TODAY - timedelta(days=1))


# --- risks --------------------------------------------------------------------------------------------------------------


def risks(text: str) -> list[str]:
    return [risk.name for risk in named_risks(parse_plan(text, Path("plan.toml")))]


def test_risks_come_from_the_plan():
    assert risks(EXAMPLE) == ["one-server", "secrets-in-image"]
    bare = EXAMPLE.replace("keep_secrets = true", "keep_secrets = false")
    assert risks(bare) == ["one-server"]
    assert risks(bare.replace('kind = "ebs"', 'kind = "instance-store"')) == ["one-server", "ephemeral-data"]
    assert risks(bare.replace('"scram-sha-256"', '"md5"')) == ["one-server", "md5-passwords"]


def test_a_lab_signs_for_all_its_risks_and_only_once(plan):
    write_signatures(plan, date(2020, 1, 1))
    signed = load_signed(plan, TODAY)
    assert {one.name for one in signed.risk} == {risk.name for risk in named_risks(plan)}
    assert signed.newest(DRILL).when == date(2020, 1, 1)
    sign(plan, GOOD)
    write_signatures(plan, date(2020, 1, 1))
    assert load_signed(plan, TODAY).signature("one-server").who == "Mara Manager"


# --- what the gate asks -------------------------------------------------------------------------------------------------


def test_an_unsigned_risk_is_red(plan):
    sign(plan, GOOD)
    signed, unsigned = named_risks(plan)
    check_night.check_risk_is_signed(signed, plan)
    with pytest.raises(NoGo, match=r"(?s)secrets-in-image.*nobody signed") as caught:
        check_night.check_risk_is_signed(unsigned, plan)
    assert "plan.waivers.toml" in str(caught.value)


@pytest.mark.parametrize(("days", "good"), [(0, True), (30, True), (31, False)])
def test_a_drill_has_an_age(plan, days, good):
    with pytest.raises(NoGo, match="nobody attested one"):
        check_night.check_back_out_was_drilled(plan)
    sign(plan, GOOD.replace("2020-02-01", str(TODAY - timedelta(days=days))))
    if good:
        check_night.check_back_out_was_drilled(plan)
    else:
        with pytest.raises(NoGo, match=r"cutover\.drill_days"):
            check_night.check_back_out_was_drilled(plan)


SURVEY = Survey(
    machine_id="m", system_identifier="1", server_version="15", encoding="UTF8", collation="C", ctype="C", tables=[],
    sequences=[], extensions={}, ruby="3", gems={}, features={}, release="/r", release_digest="", environment=[],
    time_zone="UTC", files={}, units={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("check", "record", "most"),
    [
        (check_night.check_survey_is_recent, SURVEY, 30),
        (check_night.check_rehearsal_is_recent, Rehearsal(instance_id="i", snapshot="s"), 7),
    ],
)
def test_survey_and_rehearsal_have_an_age(plan, run, check, record, most):
    with pytest.raises(CouldNotVerify):
        check(plan, run)
    run.record(record.model_copy(update={"recorded": now() - timedelta(days=most, minutes=-1)}))
    check(plan, run)
    run.record(record.model_copy(update={"recorded": now() - timedelta(days=most, minutes=1)}))
    with pytest.raises(NoGo, match=f"at most {most} days"):
        check(plan, run)


# --- the checklist ------------------------------------------------------------------------------------------------------


def test_the_checklist_is_written_from_this_very_plan(plan, run):
    sign(plan, GOOD)
    with pytest.raises(CouldNotVerify):
        check_night.check_checklist_is_of_this_plan(plan, run)
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
    plan.path.write_text(EXAMPLE + "\n# a word more\n")
    with pytest.raises(NoGo, match="the plan's SHA-256"):
        check_night.check_checklist_is_of_this_plan(plan, run)


@pytest.mark.parametrize("form", ["md", "html"])
def test_the_checklist_holds_what_the_night_needs(plan, run, form):
    sign(plan, GOOD)
    text = checklist.render(plan, [run], load_signed(plan, TODAY), form)
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
        "1": check("Two is so.", "checks/check_a.py", 20, "gems_installed", "ruby_installed"),
        "2": check("One is so.", "checks/check_a.py", 9, "ruby_installed"),
        "3": check("One is so.", "checks/check_a.py", 9, "ruby_installed"),
    }
    found = {test.state: test.claims for test in checklist.tests(plan, catalogue)}
    assert found["ruby_installed"] == ("One is so.", "Two is so.")
    assert found["gems_installed"] == ("Two is so.",)
    assert found["accepted"] == ()
