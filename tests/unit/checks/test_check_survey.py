"""What was surveyed is what the target is compared with: where nothing was there, it says so."""

import pytest

from checks import check_survey
from fixtures.errors import NoGo
from fixtures.run.records import Answered
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY


def test_a_listener_that_was_not_there_when_surveyed(run):
    listener = PLAN.application.listeners[0]
    for status in (200, 401, None):
        run.record(SURVEY.model_copy(update={"answers": {listener.name: Answered(status=status)}}))
        check_survey.check_listener_answered(listener, run)
    for status, found in ((0, "nobody listened"), (503, "status 503")):
        run.record(SURVEY.model_copy(update={"answers": {listener.name: Answered(status=status)}}))
        with pytest.raises(NoGo, match=rf"port 3001 of production \(smallpayroll-web@3001\.service\)[^§]*{found}"):
            check_survey.check_listener_answered(listener, run)


def test_a_site_that_was_broken_when_surveyed_is_no_measure(run):
    for status in (200, 302, 404, 406):
        run.record(SURVEY.model_copy(update={"health": {"app.test": status}}))
        check_survey.check_name_answered("app.test", PLAN, run)
    run.record(SURVEY.model_copy(update={"health": {"app.test": 502}}))
    with pytest.raises(NoGo, match=r"app\.test/healthz of production[^§]*status 502"):
        check_survey.check_name_answered("app.test", PLAN, run)


def test_settings_are_missed_only_where_the_plan_has_files_for_them(run):
    run.record(SURVEY.model_copy(update={"tables": ["public.a"], "gems": {"a": "1"}}))
    with pytest.raises(NoGo, match="nothing under settings"):
        check_survey.check_survey_names_something_to_move(run, PLAN)
    without = PLAN.application.model_copy(update={"environment_files": []})
    check_survey.check_survey_names_something_to_move(run, PLAN.model_copy(update={"application": without}))
