"""`gonogo discover` against a lab's production: read-only, complete but for the decisions, and without any secret."""

import json

import pytest

from fixtures.lab.production import production
from fixtures.plan import load_plan
from tests.labsite import Site
from tests.prove import drafted

SECRETS = (
    production.DATABASE_PASSWORD, production.READ_ONLY_PASSWORD, production.SECRET_KEY_BASE, production.TEST_PASSWORD,
)  # fmt: skip
NOT_DECIDED_BY_PRODUCTION = {
    "application.packages", "comparison", "cutover.drain_seconds", "cutover.outage_minutes", "dns.ttl", "image.name", "name",
    "pages.allow", "pages.apart", "pages.keep_query", "pages.per_second", "pages.sample", "target.key_file",
    "target.key_name", "target.launch_minutes", "target.name", "target.public", "target.security_group",
    "web.headers_page",
}  # fmt: skip
"""Where the lab's plan says more than production could tell, or names of the operator's own choosing."""


@pytest.fixture(scope="module")
def site():
    made = Site("discover")
    made.down()
    made.up(rehearsed=False)
    # What an overlay lists is what was written since the lab began: nothing of the survey's may be among it.
    made.on("production", "touch /var/tmp/before; echo 203.0.113.9 erp.partner.test >>/etc/hosts")
    made.on("production", "mkdir -p /var/backups/app; head -c 5000 /dev/urandom >/var/backups/app/app.sql.gz")
    yield made
    made.down()


@pytest.fixture(scope="module")
def path(site):
    return drafted.draft(site.plan_path)[0]


def test_the_draft_needs_the_marked_decisions_alone(site, path):
    undecided = site.gonogo("plan", plan=path.with_name("undecided.toml"))
    assert undecided.code == 2, undecided.out
    assert "not decided yet" in undecided.out
    assert "    - smoke.password" in undecided.out
    differing = drafted.differing(site.plan_path, path)
    assert set(differing) <= NOT_DECIDED_BY_PRODUCTION, differing
    assert set(load_plan(site.plan_path).application.packages) <= set(load_plan(path).application.packages)
    done = site.gonogo("plan", plan=path)
    assert done.code == 0, done.out


def test_the_drafted_plan_surveys(site, path):
    done = site.gonogo("run", "--yes", "--new", "--until", "source_surveyed", plan=path)
    assert done.code == 0, done.out


def test_what_is_written_holds_no_secret_and_answers(path):
    directory = path.parent
    texts = {
        name: (directory / name).read_text() for name in ("undecided.toml", "undecided.survey.json", "survey.html")
    }
    for name, text in texts.items():
        assert not [secret for secret in SECRETS if secret in text], name
    found = json.loads(texts["undecided.survey.json"])
    assert found["backup"]["newest"] == "/var/backups/app/app.sql.gz"
    assert "mail.lab.test" in json.dumps(found["touchpoints"])
    assert "erp.partner.test (203.0.113.9)" in json.dumps(found["touchpoints"])
    assert found["facts"]["hosts.erp.partner.test"] == "203.0.113.9"
    assert [role["password"] for role in found["postgresql"]["roles"] if role["name"] == "payroll"] == ["scram-sha-256"]


def test_the_survey_wrote_nothing_on_production(site, path):
    script = "find / -xdev -newer /var/tmp/before -type f ! -path '/proc/*' ! -path '/sys/*' ! -path '/run/*' ! -path '/dev/*'"
    # Those that write there all the time.
    usual = "/var/log/|/var/lib/postgresql/|/home/payroll/shared/|/var/lib/systemd/|/var/backups/app/|/etc/hosts|/var/cache/nginx"
    written = site.on("production", f"{script} | grep -vE '{usual}' || true").split()
    assert written == []


def test_a_database_elsewhere_is_one_clear_refusal(site, path):
    site.on(
        "production",
        "cp -p /etc/smallpayroll.env /root/env; sed -i 's/^DATABASE_HOST=.*/DATABASE_HOST=203.0.113.77/' /etc/smallpayroll.env",
    )
    try:
        with pytest.raises(AssertionError) as caught:
            drafted.survey(site.plan_path)
    finally:
        site.on("production", "mv /root/env /etc/smallpayroll.env")
    assert "the application's database on 203.0.113.77" in str(caught.value)
    assert "Traceback" not in str(caught.value)
