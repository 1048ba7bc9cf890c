"""Notices in a lab: the mail really arrives, the page is really seen, nobody gets it twice; and a stale hosts entry."""

import json

import pytest

from checks import check_hosts
from fixtures.connect.connections import Connections
from fixtures.connect.web import web_of
from fixtures.errors import NoGo
from fixtures.facts.fact import ask_all
from fixtures.facts.wanted import wanted_by
from fixtures.plan import load_plan
from fixtures.policy import notices
from fixtures.run.records import Notices
from tests.labsite import Site

STATE = "notice_published"


@pytest.fixture(scope="module")
def site():
    made = Site("test-notices")
    made.down()
    made.up(rehearsed=False)
    done = made.gonogo("run", "--yes", "--new", "--until", STATE)
    assert done.code == 0, done.out
    yield made
    made.down()


def mails(site):
    return [json.loads(line) for line in (site.plan_path.parent / "mail.jsonl").read_text().splitlines()]


def test_the_mail_arrives_and_the_page_is_seen(site):
    plan = load_plan(site.plan_path)
    (mail,) = mails(site)
    (message_id,) = (d.message_id for d in site.last_run.records(Notices).deliveries.values() if d.message_id)
    assert mail["rcpt_to"] == ["sales@smallpayroll.test"]
    assert message_id in mail["data"]
    assert notices.printed_in(json.dumps(mail), notices.render(plan, "internal").partition("\n")[2])
    page = web_of(plan).get("/notice.html", str(plan.source.public_address))
    assert page.status_code == 200
    assert notices.shown_in(page.text, notices.render(plan, "users"))


def test_a_second_run_tells_nobody_again(site):
    before = site.last_run.records(Notices)
    done = site.gonogo("run", "--yes", "--new", "--until", STATE)
    assert done.code == 0, done.out
    assert len(mails(site)) == 1
    assert site.last_run.records(Notices).deliveries == before.deliveries


@pytest.mark.parametrize(
    ("host", "harm", "mend", "check"),
    [
        ("production", "mv {page} {page}.away", "mv {page}.away {page}", "check_users_see_the_page"),
        ("", "", "", "check_readers_see_it"),
    ],
)
def test_what_readers_do_not_see_is_red(site, host, harm, mend, check):
    page, box = "/home/payroll/shared/notice.html", site.plan_path.parent / "mail.jsonl"
    kept = box.read_text()
    if host:
        site.on(host, harm.format(page=page))
    else:
        box.write_text("")
    try:
        done = site.checks(STATE)
    finally:
        if host:
            site.on(host, mend.format(page=page))
        box.write_text(kept)
    assert done.code == 1
    failed = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, done.out
    assert check in failed[0]


def test_a_stale_hosts_entry_on_production_is_red(site):
    connections = Connections(load_plan(site.plan_path), site.last_run, may_change=False)

    def judge(check):
        asked = wanted_by(check)["sources"].made_of({"machine": "source"})
        check("source", connections.plan, connections.run, {}, ask_all(connections.source, asked), {})

    try:
        judge(check_hosts.check_no_hosts_entry_hides_a_host)
        site.on("production", "cp -p /etc/hosts /root/hosts; echo 203.0.113.99 app.smallpayroll.test >>/etc/hosts")
        with pytest.raises(NoGo, match=r"203\.0\.113\.99"):
            judge(check_hosts.check_no_hosts_entry_hides_a_host)
        own = f"echo {connections.plan.source.public_address} app.smallpayroll.test >>/etc/hosts"
        site.on("production", f"cp -p /root/hosts /etc/hosts; {own}")
        judge(check_hosts.check_no_hosts_entry_is_forgotten)
    finally:
        site.on("production", "cp -p /root/hosts /etc/hosts")
        connections.close()


def test_a_back_out_takes_the_notice_off(site):
    done = site.gonogo("back-out", "--yes")
    assert done.code == 13, done.out
    assert "tell their readers" in " ".join(done.out.split())
    assert site.on("production", "ls /home/payroll/shared; ls /var/lib/gonogo/held").split().count("notice.html") == 1
    assert site.on("production", "test -e /home/payroll/shared/notice.html || echo gone").strip() == "gone"
