"""The notice says in time when production will be closed, in words that nobody misreads."""

import pytest

from checks.equality import must_be_none
from fixtures import wording
from fixtures.errors import NoGo
from fixtures.facts import notice
from fixtures.facts.network import PageAnswer, at_source
from fixtures.facts.wanted import on_web
from fixtures.plan import Channel, Command, Mail, Page, Plan
from fixtures.policy import notices
from fixtures.run.records import Delivery, Notices
from fixtures.run.run import Run

pytestmark = pytest.mark.notice_published

PUBLISH = "`gonogo run --until notice_published` publishes it; nobody gets it twice"


def _delivery(channel: Channel, plan: Plan, run: Run) -> Delivery | None:
    """How the notice of this plan was sent through this channel; None where that was never begun."""
    text = notices.render(plan, channel.audience)
    return run.records(Notices).deliveries.get(notices.delivery_key(channel, text))


def check_notice_says_what_readers_need(audience: notices.Audience, plan: Plan) -> None:
    """The notice says when, with zone and offset, that data is safe and whom to ask, in words that nobody misreads."""
    mistakes = wording.lint(notices.render(plan, audience), notices.announced(plan))
    must_be_none(
        f"the notice to {audience}",
        expected="when, with zone and offset; that data is safe; whom to ask; no expression that misleads",
        found=mistakes,
        remedy="correct notice.text, or [notice] in the plan",
    )


def check_outage_page_says_the_same(plan: Plan) -> None:
    """The page that users will see during the outage holds to the same rules."""
    mistakes = wording.lint(
        notices.visible(notices.outage_page(plan, plan.notice.starts)), notices.closed_since(plan, plan.notice.starts)
    )
    must_be_none(
        "the page during the outage",
        expected="when, with zone and offset; that data is safe; whom to ask; no expression that misleads",
        found=mistakes,
        remedy="correct operator.contact and web.hostnames in the plan: the other words are gonogo's own",
    )


def check_window_begins_at_a_time_that_exists(plan: Plan) -> None:
    """The window begins at a time that the readers' clocks show, not in an hour that a change of the clocks skips."""
    mistake = notices.mistaken_start(plan)
    if mistake is not None:
        raise NoGo(
            "notice.starts in the plan",
            expected=f"the offset that {plan.notice.zone} has then, or UTC's",
            found=mistake,
            remedy="correct its offset, or choose another hour",
        )


def check_notice_was_in_time(channel: Channel, plan: Plan, run: Run) -> None:
    """The notice went out as long before the window as the plan promises."""
    delivery = _delivery(channel, plan, run)
    out = delivery.published if delivery else None
    if out is None or (plan.notice.lead.total_seconds() > 0 and out > notices.due(plan)):
        raise NoGo(
            f"the notice by {channel.name}",
            expected=f"out by {wording.moment(notices.due(plan), plan.notice.zone)}: notice.lead before notice.starts",
            found=f"out since {wording.moment(out, plan.notice.zone)}" if out else "not out yet",
            remedy="move notice.starts in the plan to a later time; `gonogo run` then publishes it" if out else PUBLISH,
        )


def check_users_see_the_page(
    page_channel: Page,
    plan: Plan,
    answer: PageAnswer = on_web(lambda plan, page_channel: at_source(plan, page_channel.shown_at)),
) -> None:
    """Whoever asks production for the page of the notice reads this very notice."""
    text = notices.render(plan, page_channel.audience)
    seen = answer.status == 200 and notices.shown_in(answer.text, text)
    if not seen:
        raise NoGo(
            f"{plan.web.hostnames[0]}{page_channel.shown_at} at {plan.source.public_address}",
            expected="status 200 with the notice",
            found=f"status {answer.status}, and {'another text' if answer.status == 200 else 'no notice'}",
            remedy=f"have the site show {page_channel.file} there; {PUBLISH}",
        )


def check_mail_server_took_it_for_everyone(mail_channel: Mail, plan: Plan, run: Run) -> None:
    """The mail server took the notice for every address of the plan."""
    delivery = _delivery(mail_channel, plan, run)
    missing = [address for address in mail_channel.to if delivery is None or address not in delivery.accepted]
    if missing:
        raise NoGo(
            f"the notice through {mail_channel.server}",
            expected=f"taken for {', '.join(mail_channel.to)}",
            found=f"not taken for {', '.join(missing)}",
            remedy=PUBLISH,
        )


def check_readers_see_it(seen_channel: Mail | Command, plan: Plan, run: Run) -> None:
    """The notice is where its readers look: the plan's own command finds it there."""
    delivery = _delivery(seen_channel, plan, run)
    output = notice.seen(plan, seen_channel.seen_by)
    text = notices.render(plan, seen_channel.audience)
    own = delivery.message_id if delivery else ""
    seen = (bool(own) and own in output) or notices.printed_in(output, text)
    if not seen:
        raise NoGo(
            f"what `{seen_channel.seen_by[0]}` prints of the {seen_channel.name}",
            expected=f"the notice{f' {own}' if own else ''}",
            found=f"{len(output)} characters without it",
            remedy=f"see in that channel whether it was delivered; {PUBLISH}",
        )
