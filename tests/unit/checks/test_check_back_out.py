"""Whether production is back."""

from dataclasses import replace

import pytest

from checks import check_back_out
from fixtures.errors import NoGo
from fixtures.facts.instance import Described
from fixtures.facts.network import Browsed, PageAnswer, of_record
from fixtures.facts.security_group import Group
from fixtures.facts.wanted import wanted_by
from fixtures.policy.hba import HbaRule
from fixtures.policy.ingress import Ingress
from fixtures.run.evidence import now
from fixtures.run.records import SourceClosure, TargetFacts
from tests.unit import ipv6
from tests.unit.example import PLAN
from tests.unit.ipv6 import NEW_IPV6, OLD_IPV6, ByFamily, ipv6_instance

ipv6_plan = ipv6.ipv6_plan


def test_a_record_is_judged_by_productions_address_of_its_family(ipv6_plan, run):
    record = next(one for one in ipv6_plan.dns.records if one.type == "AAAA")
    server = ipv6_plan.dns.primary
    old, new = (of_record(record, server).put(ByFamily(AAAA=[one])) for one in (OLD_IPV6, NEW_IPV6))
    check_back_out.check_dns_names_production(record, server, run, ipv6_plan, old)
    with pytest.raises(NoGo, match=NEW_IPV6):
        check_back_out.check_dns_names_production(record, server, run, ipv6_plan, new)


@pytest.fixture
def launched(run):
    run.record(
        TargetFacts(
            instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="e", volume_id="v",
            security_group_id="sg-1",
        )
    )  # fmt: skip
    return run


def asked(check, run, **values):
    """The names under which a check's questions are put."""
    given = {"plan": PLAN, "run": run, **values}
    return {name: list(wanted.made_of(given)) for name, wanted in wanted_by(check).items()}


def test_where_no_target_was_launched_nothing_is_asked(run):
    closed, still = check_back_out.check_target_is_closed_to_users, check_back_out.check_target_acts_on_nobody
    assert not any(asked(closed, run).values())
    assert not any(asked(still, run, instances={}).values())
    closed(run, PLAN, {}, {})
    still(PLAN, {}, {}, {})


def test_a_firewall_that_lets_users_in(launched):
    check, target = check_back_out.check_target_is_closed_to_users, PLAN.target
    assert all(asked(check, launched).values())

    def judged(*rules):
        group = Group("sg-1", frozenset(rules), {})
        check(launched, PLAN, {target.security_group: {"vpc-1": group}}, {target.subnet: "vpc-1"})

    judged(Ingress("tcp", 443, 443, f"{PLAN.operator.address}/32"), Ingress("tcp", 22, 22, "0.0.0.0/0"))
    with pytest.raises(NoGo, match="lets no user in"):
        judged(Ingress("tcp", 443, 443, "0.0.0.0/0"))
    check(launched, PLAN, {target.security_group: {}}, {target.subnet: "vpc-1"})


def described(state):
    return {PLAN.target.name: Described(replace(ipv6_instance(None), state=state), {}, "required")}


def test_a_target_that_is_gone_or_switched_off_is_not_asked(launched):
    check = check_back_out.check_target_acts_on_nobody
    for instances in ({PLAN.target.name: None}, described("stopped")):
        questions = asked(check, launched, instances=instances)
        assert questions["instances"]
        assert not questions["states"] + questions["enabled"]
        check(PLAN, instances, {}, {})
    assert all(asked(check, launched, instances=described("running")).values())


def test_a_target_that_still_acts(launched):
    pack, workers = PLAN.application.pack, PLAN.application.workers
    states, off = ["inactive"] * (len(pack) + len(workers)), dict.fromkeys(pack, False)

    def judged(states, enabled):
        check_back_out.check_target_acts_on_nobody(PLAN, described("running"), {"units": states}, {"pack": enabled})

    judged(states, off)
    with pytest.raises(NoGo, match=workers[-1]):
        judged([*states[:-1], "active"], off)
    with pytest.raises(NoGo, match="at boot"):
        judged(states, off | {pack[0]: True})


def test_a_password_that_is_still_refused_is_no_go():
    check_back_out.check_password_is_accepted(PLAN, code=None)
    with pytest.raises(NoGo, match="SQLSTATE 28000"):
        check_back_out.check_password_is_accepted(PLAN, code="28000")


def test_a_login_or_page_that_fails_on_production_is_no_go():
    def browsed(text, status):
        landing, staff = (PageAnswer("http://site/", code, (), text) for code in (200, status))
        return Browsed(landing, {"/staff": staff})

    signed_in = PLAN.smoke.signed_in_text
    check_back_out.check_login_works_on_production(PLAN, browsed(signed_in, 200))
    for text, status, words in ((signed_in, 502, "failed: /staff"), ("no", 200, "failed: the login")):
        with pytest.raises(NoGo, match=words):
            check_back_out.check_login_works_on_production(PLAN, browsed(text, status))


def test_rules_that_still_refuse_everybody_are_no_go():
    own, everybody = [PLAN.database.name], ["all"]
    theirs = HbaRule(7, "host", own, everybody, "all", "", "scram-sha-256")
    ours = [
        HbaRule(2, "local", own, ["postgres"], "", "", "peer"),
        HbaRule(3, "local", own, everybody, "", "", "reject"),
    ]
    check = check_back_out.check_rules_let_in_as_before
    check(PLAN, [theirs], [], stale=False)
    check(PLAN, [theirs] * 3 + [HbaRule(9, "host", own, everybody, "all", "", "reject")], [], stale=False)
    with pytest.raises(NoGo, match="line 3: reject"):
        check(PLAN, [*ours, theirs], [], stale=False)
    with pytest.raises(NoGo, match="changed since"):
        check(PLAN, [theirs], [], stale=True)
    with pytest.raises(NoGo, match="line 5: wrong"):
        check(PLAN, [theirs], ["line 5: wrong"], stale=False)


def test_a_main_file_that_still_closes_is_no_go(run):
    check = check_back_out.check_nginx_goes_by_its_own_file
    check({})
    check({"/etc/nginx/nginx.conf": False})
    with pytest.raises(NoGo, match=r"/etc/nginx/nginx\.conf"):
        check({"/etc/nginx/nginx.conf": True})
    assert wanted_by(check)["found"].made_of({"run": run}) == {}, "production was never closed"


def test_a_subscription_that_closing_disabled_must_feed_again(run):
    check = check_back_out.check_subscriptions_feed_it_again
    check(run, {"rested": False})
    closure = SourceClosure(logins={}, stopped_units=[], held_files=[], closed=now(), subscriptions=["feed", "dropped"])
    run.record(closure)
    check(run, {"rested": False, "feed": True})
    with pytest.raises(NoGo, match="feed"):
        check(run, {"rested": False, "feed": False})
