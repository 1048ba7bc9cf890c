"""The checks that keep production open until the window: each seen red."""

from datetime import timedelta

import pytest

from checks import check_window
from fixtures.errors import NoGo
from fixtures.policy.dnsclock import clock_file, observe, places, save_clock
from tests.unit import windows
from tests.unit.windows import NOW, Serving, low_since, starting

run = windows.run


def red(check, *arguments):
    with pytest.raises(NoGo) as caught:
        check(*arguments)
    return str(caught.value)


def test_the_clock_is_red_until_the_old_ttl_has_run_out(plan, run):
    record, server = plan.dns.records[0], plan.dns.primary
    ask = (check_window.check_old_ttl_has_run_out, record, server, plan, run)
    assert "never looked at" in red(*ask)
    save_clock(clock_file(plan, run), low_since(plan, NOW))
    text = red(*ask)
    assert "3600 s has run out" in text
    assert "UTC" in text
    clock = observe(low_since(plan, NOW), places(plan)[0], 86400, low=60, at=NOW, before=3600)
    save_clock(clock_file(plan, run), clock)
    assert "86400 s when the server was last asked" in red(*ask)
    save_clock(clock_file(plan, run), low_since(plan, NOW - timedelta(hours=2)))
    check_window.check_old_ttl_has_run_out(record, server, plan, run)


def test_the_window_is_red_before_and_after_with_both_zones(plan):
    check_window.check_announced_window_is_open(starting(plan, NOW))
    for moment in (NOW + timedelta(hours=1), NOW - timedelta(minutes=plan.notice.minutes)):
        text = red(check_window.check_announced_window_is_open, starting(plan, moment))
        assert "America/Toronto" in text
        assert "UTC" in text


def test_a_cache_that_holds_longer_is_red(plan):
    record, resolver = plan.dns.records[0], plan.dns.resolvers[0]
    held = [Serving(ttl).ask(resolver, record.name, record.type) for ttl in (60, 3000)]
    check_window.check_resolver_forgot_the_old_ttl(record, resolver, plan, held[0])
    assert "held for 3000" in red(check_window.check_resolver_forgot_the_old_ttl, record, resolver, plan, held[1])
