"""Notices are found where users look, and in time: the checks, each seen red."""

from datetime import timedelta

import pytest

from checks import check_notice
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.network import PageAnswer
from fixtures.policy import notices
from fixtures.run.evidence import now
from fixtures.run.records import Delivery, Notices
from tests.unit import announcements
from tests.unit.announcements import plan_with

page_plan = announcements.page_plan


def test_the_page_is_looked_at_where_users_look(page_plan):
    (channel,) = page_plan.notice.channels
    text = notices.render(page_plan, "users")

    def page(status, body):
        return PageAnswer("http://h/", status, (), body)

    check_notice.check_users_see_the_page(channel, page_plan, page(200, notices.snippet(text)))
    for status, body in ((404, notices.snippet(text)), (200, "<p>an old notice</p>"), (503, "")):
        with pytest.raises(NoGo, match=f"status {status}"):
            check_notice.check_users_see_the_page(channel, page_plan, page(status, body))


@pytest.mark.parametrize(("lead", "good"), [("P1D", True), ("P4D", False), ("PT0S", True)])
def test_a_notice_is_out_as_long_before_as_promised(run, lead, good):
    starts = (now() + timedelta(days=2)).replace(microsecond=0)
    plan = plan_with(starts=starts.isoformat(), lead=f'"{lead}"')
    (channel, _) = plan.notice.channels
    with pytest.raises(CouldNotVerify):
        check_notice.check_notice_was_in_time(channel, plan, run)
    text = notices.render(plan, "users")
    one = Delivery(channel=channel.name, audience="users", text=text)
    key = notices.delivery_key(channel, text)
    run.record(Notices(deliveries={key: one}))
    with pytest.raises(NoGo, match="not out yet"):
        check_notice.check_notice_was_in_time(channel, plan, run)
    run.record(Notices(deliveries={key: one.model_copy(update={"published": now()})}))
    if good:
        check_notice.check_notice_was_in_time(channel, plan, run)
    else:
        with pytest.raises(NoGo, match=r"notice\.lead"):
            check_notice.check_notice_was_in_time(channel, plan, run)


def test_the_outage_page_of_an_unlucky_plan_is_red(monkeypatch, plan):
    check_notice.check_outage_page_says_the_same(plan)
    monkeypatch.setattr(notices, "_OUTAGE", "Closed until midnight")
    with pytest.raises(NoGo, match="midnight"):
        check_notice.check_outage_page_says_the_same(plan)
