"""What must be signed and recent before the night: the checks, each seen red."""

from datetime import timedelta

import pytest

from checks import check_night
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan.risks import named_risks
from fixtures.run.evidence import now
from fixtures.run.records import RehearsalReady, Survey
from tests.unit.signed import GOOD, TODAY, sign


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
    sequences=[], extensions={}, release="/r", release_digest="", release_packages=[], environment=[], secret_files=[],
    time_zone="UTC", files={}, units={}, unit_users={}, answers={}, ready_seconds={}, health={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("check", "record", "most"),
    [
        (check_night.check_survey_is_recent, SURVEY, 30),
        (check_night.check_rehearsal_is_recent, RehearsalReady(instance_id="i", snapshot="s"), 7),
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
