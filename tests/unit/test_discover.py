"""`gonogo discover`: what is read from texts, what is hidden, what is refused, and what the draft says."""

import json
import re
import tomllib
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.discovery import (
    _addresses,
    _refuse_containers,
    _refuse_database_elsewhere,
    _refuse_without_systemd,
    application,
    draft,
    hide,
    page,
    sites,
    system,
)
from fixtures.discovery.model import (
    ApplicationFound,
    Backup,
    Certificate,
    DatabaseFound,
    Directory,
    Discovered,
    PostgreSQLFound,
    Role,
    Site,
    System,
    Unit,
)
from fixtures.discovery.risks import find_risks
from fixtures.errors import PlanError, Refused
from fixtures.facts import nginx
from fixtures.facts.listeners import Listener
from fixtures.plan import Login, parse_plan
from fixtures.secrets import known_secrets
from tests.prove import drafted


@pytest.fixture(autouse=True)
def _no_secret_is_left():
    before = set(known_secrets)
    yield
    known_secrets.clear()
    known_secrets.update(before)


# --- what is hidden -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("* * * * * app pg_dump postgres://app:tiger7@db.test/x", "tiger7"),
        ("curl -H 'Authorization: Bearer abc' https://x.test?token=sesame9", "sesame9"),
        ("/usr/bin/worker --password hunter22 --queue mail", "hunter22"),
        ("PGPASSWORD=hunter23 pg_dump", "hunter23"),
        ("mysqldump --api-key=hunter24", "hunter24"),
    ],
)
def test_secrets_in_commands_are_hidden(text, secret):
    assert secret not in hide.hide(text)
    assert hide.HIDDEN in hide.hide(text)


def test_what_is_no_secret_stays():
    for text in ("/usr/bin/bundle exec puma -C config/puma.rb", "monkey = 7", "daily: 14 kept"):
        assert hide.hide(text) == text


def test_secrets_of_an_environment_file_are_hidden_wherever_they_stand():
    values = hide.settings(
        "RAILS_ENV=production\nexport DATABASE_PASSWORD='pa ss-99'\nSTRIPE=sk9live0abcdefghij0123\n# x\n"
    )
    assert values == {"RAILS_ENV": "production", "DATABASE_PASSWORD": "pa ss-99", "STRIPE": "sk9live0abcdefghij0123"}
    assert (
        hide.hide("found pa ss-99 and sk9live0abcdefghij0123 in production")
        == "found [secret] and [secret] in production"
    )


@pytest.mark.parametrize(
    ("name", "value", "leads_to"),
    [
        ("SMTP_HOST", "mail.test", ["mail.test"]),
        ("SMTP_HOST", "localhost", []),
        ("REDIS_URL", "redis://:pw@cache.test:6380/0", ["cache.test:6380"]),
        ("DATABASE_URL", "postgres://app:x@127.0.0.1/payroll", []),
        ("ELASTIC_HOSTS", "a.test:9200,b.test:9200", ["a.test:9200", "b.test:9200"]),
        ("RAILS_ENV", "production", []),
        ("PARTNER", "see https://erp.test/api and http://[::1]/", ["erp.test"]),
    ],
)
def test_settings_that_lead_to_other_machines(name, value, leads_to):
    assert list(hide.destinations(name, value)) == leads_to


# --- what is read -------------------------------------------------------------------------------------------------------

UNIT = """\
Id=app-web@3001.service
Description=Web
User=app
WorkingDirectory=-/home/app/current
ExecStart={ path=/usr/bin/bundle ; argv[]=/usr/bin/bundle exec puma --token sesame77 ; ignore_errors=no ; pid=71 }
FragmentPath=/etc/systemd/system/app-web@.service
DropInPaths=/etc/systemd/system/app-web@.service.d/limits.conf
EnvironmentFiles=/etc/app.env (ignore_errors=no)
EnvironmentFiles=/etc/app.more (ignore_errors=yes)
Environment="SECRET_TOKEN=a quoted secret" PORT=3001
UnitFileState=enabled
ActiveState=active
MainPID=71
LimitNOFILE=524288
LimitNOFILESoft=1024"""


def test_a_unit():
    unit = system.parse_unit(UNIT)
    assert unit == Unit(
        name="app-web@3001.service", description="Web", user="app", directory="/home/app/current",
        command="/usr/bin/bundle exec puma --token [hidden]", program="/usr/bin/bundle",
        files=["/etc/systemd/system/app-web@.service", "/etc/systemd/system/app-web@.service.d/limits.conf"],
        environment_files=["/etc/app.env", "/etc/app.more"], enabled=True, active=True, pid=71, limit="1024:524288",
    )  # fmt: skip
    assert "a quoted secret" in known_secrets


def test_cron_jobs():
    text = "MAILTO=ops\n# note\n*/5 * * * * app /home/app/bin/note\n@daily root backup --password tiger88\n"
    job = system.parse_jobs("/etc/cron.d/app", text)
    assert (job.users, len(job.lines)) == (["app", "root"], 2)
    assert "tiger88" not in "".join(job.lines)
    assert system.parse_jobs("/var/spool/cron/crontabs/app", "@reboot run\n").users == ["app"]
    assert system.parse_jobs("/etc/crontab", "17 * * * * root cd / && run-parts /etc/cron.hourly\n").lines == []


def test_outbound_connections():
    shown = """\
0 0 198.18.1.10:443 203.0.113.5:50000 users:(("nginx",pid=1,fd=3))
0 0 198.18.1.10:40000 203.0.113.9:5672 users:(("ruby",pid=7,fd=3))
0 0 127.0.0.1:40001 127.0.0.1:5432
0 0 [::ffff:198.18.1.10]:40002 [::ffff:203.0.113.9]:5672 users:(("ruby",pid=8,fd=3))
"""
    found = system.parse_connections(shown, ["198.18.1.10"], {443})
    assert [(one.to, one.seen) for one in found] == [("203.0.113.9:5672", "an open connection of ruby")]


class _Host:
    """A host that answers by the last word of a command."""

    address = "production.test"

    def __init__(self, answers=None, good=()):
        self.answers, self.good = answers or {}, good

    def check(self, argv, **_):
        return self.answers.get(argv[-1], argv[-1])

    def succeeds(self, argv):
        return argv[-1] in self.good


SITES = """
http {
upstream pack { server 127.0.0.1:3001; server 127.0.0.1:3002; }
server { listen 80; server_name app.test; return 301 https://app.test; }
server {
  listen 443 ssl; server_name app.test; root /home/app/current/public; access_log /var/log/nginx/app_log main;
  ssl_certificate /etc/tls/app.pem; ssl_certificate_key /etc/tls/app.key; client_max_body_size 20m;
  if (-f $document_root/system/maintenance.html) { return 503; }
  location / { try_files $uri $uri.html @pack; }
  location @pack { proxy_pass http://pack; }
  location /erp { proxy_pass http://erp.test:8080/; }
}
server { server_name blog.test; location / { proxy_pass http://unix:/run/blog.sock:/; } }
}
"""


def _sites():
    tree = nginx.Directive("", (), nginx.parse(SITES, "/etc/nginx/app"))
    return sites.read_sites(_Host(), tree)


def test_the_site_of_the_application_is_told_from_others():
    found = _sites()
    site = application.choose_site(found)
    assert site.model_dump(exclude_defaults=True) == {
        "file": "/etc/nginx/app", "names": ["app.test"], "listens": ["443 ssl"], "root": "/home/app/current/public",
        "access_log": "/var/log/nginx/app_log", "certificates": [("/etc/tls/app.pem", "/etc/tls/app.key")],
        "ports": [3001, 3002], "elsewhere": ["erp.test:8080"], "page_cache": True,
        "maintenance_page": "/home/app/current/public/system/maintenance.html", "limits": {"client_max_body_size": "20m"},
    }  # fmt: skip
    assert found[2].sockets == ["/run/blog.sock"]
    assert application.choose_site([found[0]]) is None


def test_pages_that_are_asked_for_most():
    lines = ['x "GET /payslips?page=2 HTTP/1.1" 200 5'] * 3 + ['x "GET /employees HTTP/1.1" 200 5'] * 2
    lines += ['x "GET /payslips/71 HTTP/1.1" 200 5'] * 9 + [
        'x "GET /app.css HTTP/1.1" 200 5',
        'x "GET /gone HTTP/1.1" 404 5',
    ]
    assert application.popular("\n".join(lines), set()) == ["/payslips", "/employees"]


def test_database_yml_with_its_environment():
    text = """
default: &default
  adapter: postgresql
production:
  <<: *default
  database: <%= ENV.fetch("DB", "payroll") %>
  host: <%= ENV["DB_HOST"] %>
  username: app
  password: plainly-here
development:
  database: other
"""
    found = application._database_yml(text, {"DB_HOST": "db.test"})
    assert found == {"adapter": "postgresql", "database": "payroll", "host": "db.test", "username": "app"}
    assert "plainly-here" in known_secrets


# --- what is refused ----------------------------------------------------------------------------------------------------


def test_no_systemd_is_refused():
    with pytest.raises(Refused, match="systemd"):
        _refuse_without_systemd(_Host())
    _refuse_without_systemd(_Host(good={"/run/systemd/system"}))


@pytest.mark.parametrize(
    ("program", "unit"), [("docker-proxy", "docker.service"), ("ruby", "docker-4f.scope"), ("conmon", "")]
)
def test_containers_are_refused(program, unit):
    site = Site(file="x", names=[], listens=[], ports=[3000])
    with pytest.raises(Refused, match="container"):
        _refuse_containers(_Host(), site, [Listener("tcp", "127.0.0.1", 3000, program, 7)], {3000: unit})
    # One that serves something else is no reason.
    _refuse_containers(_Host(), site, [Listener("tcp", "127.0.0.1", 9000, program, 7)], {9000: unit})


@pytest.mark.parametrize(
    ("where", "resolved", "refused"),
    [
        ("", "", False), ("localhost", "", False), ("/var/run/postgresql", "", False), ("10.0.0.4", "", False),
        ("db.internal", "10.0.0.4 STREAM", False), ("app.rds.test", "10.0.9.9 STREAM", True), ("gone.test", "", True),
    ],
)  # fmt: skip
def test_a_database_elsewhere_is_refused(where, resolved, refused):
    app = ApplicationFound(name="x", database_host=where)
    host = _Host({where: resolved})
    if refused:
        with pytest.raises(Refused, match="database"):
            _refuse_database_elsewhere(host, app, ["10.0.0.4"])
    else:
        _refuse_database_elsewhere(host, app, ["10.0.0.4"])


# --- the draft ----------------------------------------------------------------------------------------------------------

TAKEN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LOGIN = Login(address="198.51.100.10", user="ops", key_file="keys/ops", host_key="ssh-ed25519 AAAA")


def _found(**changes):
    unit = Unit(name="app-web@3001.service", user="app", files=["/etc/systemd/system/app-web@.service"])
    app = ApplicationFound(
        name="app", user="app", home="/home/app", current="/home/app/current", release="/home/app/releases/1",
        environment_file="/etc/app.env", settings=["DATABASE_URL"], pack=[unit], ports=[3001], cron=["/etc/cron.d/app"],
        also_copy=unit.files, ruby="3.1.2", ruby_path="/usr/bin/ruby", ruby_packaged=True, gems={"rails": "6.1"},
        gem_sources=["https://gems.test/"], health="/healthz", database="app", role="app", static=["/app.css"],
        cached=["/help"], uploads=[Directory(path="/home/app/shared/uploads", files=3, bytes=9, why="UPLOADS")],
    )  # fmt: skip
    site = Site(
        file="/etc/nginx/sites-available/app", names=["app.test"], listens=["443 ssl"], root="/home/app/current/public",
        access_log="/var/log/nginx/app_log", certificates=[("/etc/tls/app.pem", "/etc/tls/app.key")], ports=[3001],
        maintenance_page="/home/app/closed.html", page_cache=True,
    )  # fmt: skip
    found = Discovered(
        taken=TAKEN, host="198.51.100.10", operator_address="203.0.113.7", public_address="198.51.100.10",
        system=System(
            os="Debian 12", kernel="6.1", cores=4, memory_mib=8192, time_zone="Europe/Vienna", swap_mib=0,
            addresses=["198.51.100.10"], disks={"/": "40G, 7% used"}, packages={"imagemagick": "6.9", "cron": "3.0"},
            package_count=300, monitoring=["zabbix-agent.service"], log_rotation=[], own_files=[],
        ),
        units=[unit], timers=[], services=["nginx.service"], jobs=[], listeners=["tcp 0.0.0.0:443 (nginx)"], touchpoints=[],
        sites=[site], site=site,
        certificates=[Certificate(path="/etc/tls/app.pem", subject="CN=app.test", issuer="CN=x", expires=TAKEN + timedelta(60), trusted=True)],
        application=app,
        postgresql=PostgreSQLFound(
            version="15", port=5432, cluster="main", data_directory="/var/lib/postgresql/15/main",
            databases=[DatabaseFound(name="app", owner="app", bytes=5 << 30, encoding="UTF8", collation="C.UTF-8")],
            roles=[Role(name="app", login=True, superuser=False, password="md5"), Role(name="Odd", login=True, superuser=False, password="none")],
            rules=["host all all 127.0.0.1 255.255.255.255 md5"], archiving=False,
        ),
        redis=None, backup=Backup(newest="/backup/app.sql.gz", modified=TAKEN - timedelta(hours=9), bytes=7),
        facts={"os.locale": "C"}, risks=[],
    )  # fmt: skip
    return found.model_copy(update=changes)


DECIDED = {
    "operator": {"name": "Olga", "contact": "help@app.test"},
    "target": {
        "account": "123456789012", "region": "ca-central-1", "image": "ami-1", "image_owner": "amazon",
        "instance_type": "m5.large", "subnet": "subnet-1",
    },
    "database": {"password": {"env": "DB"}},
    "web": {"pages": ["/"]},
    "smoke": {"user": "clara", "password": {"env": "SMOKE"}, "signed_in_text": "Hello"},
    "dns": {"provider": "manual", "primary": {"name": "ns1", "address": "198.51.100.2"}, "secondaries": [], "resolvers": []},
    "notice": {
        "starts": datetime(2026, 12, 6, 1, tzinfo=UTC), "zone": "Europe/Vienna", "minutes": 60, "lead": "P14D",
        "channels": [{"kind": "page", "file": "/home/app/notice.html", "shown_at": "/notice.html"}],
    },
    "rehearsal": {"egress": []},
    "backup": {"bucket": "app-backups"},
}  # fmt: skip


def test_the_draft_needs_only_the_marked_decisions(tmp_path):
    tables = draft.draft(_found(), LOGIN, "app")
    text = draft.render(_found(), tables)
    keys = [key for key, _ in draft.decisions(tables)]
    with pytest.raises(PlanError) as caught:
        parse_plan(text, tmp_path / "plan.toml")
    assert re.findall(r"^    - (\S+)$", caught.value.found, re.MULTILINE) == keys
    assert caught.value.found.startswith(f"{len(keys)} not decided yet")
    plan = parse_plan(drafted.fill(text, DECIDED), tmp_path / "plan.toml")
    assert plan.database.authentication == "md5"
    assert plan.database.other_roles == []  # an identifier that would need quotes cannot come along
    assert plan.application.packages == ["imagemagick", "cron"]
    assert plan.target.volume.size_gib == 15
    assert str(plan.target.copying[0].source) == "198.51.100.10/32"
    assert plan.web.cached == ["/help"]
    assert plan.dns.tsig is None


def test_what_was_not_found_is_to_be_decided():
    empty = _found(
        application=ApplicationFound(name="application"), site=None, sites=[], public_address="", operator_address=""
    )
    keys = {key for key, _ in draft.decisions(draft.draft(empty, LOGIN, "x"))}
    assert {
        "source.public_address",
        "operator.address",
        "application.pack",
        "web.site",
        "files.path",
        "database.name",
    } <= keys
    tomllib.loads(draft.render(empty, draft.draft(empty, LOGIN, "x")))


def test_toml_of_every_kind():
    values = {"text": 'a "quoted" ü\n', "flag": True, "list": ["x" * 60, "y" * 60], "table": {"port": 22, "who": "me"}}
    text = "\n".join(f"{key} = {draft.toml(value)}" for key, value in values.items())
    assert tomllib.loads(text) == values


# --- risks and the page -------------------------------------------------------------------------------------------------


def test_risks():
    assert [risk for risk in find_risks(_found()) if "md5" not in risk] == []
    gone = find_risks(_found(backup=Backup()))
    assert gone[0].startswith("No backup was found")
    old = find_risks(_found(backup=Backup(newest="/backup/x", modified=TAKEN - timedelta(days=40), bytes=1)))
    assert "40 days old" in old[0]
    assert any("hands requests" in risk for risk in find_risks(_found(site=None)))


def test_the_page_answers_the_six_questions_and_needs_nothing_else():
    found = _found(risks=["<script>alert(1)</script>"])
    tables = draft.draft(found, LOGIN, "app")
    html, text = page.render(found, tables, html=True), page.render(found, tables, html=False)
    for question in (
        "runs the application",
        "manages and monitors",
        "user data",
        "static assets",
        "other systems",
        "backed up",
    ):
        assert question in html
        assert question in text
    assert "zabbix-agent.service" in html
    assert "<script>" not in html
    assert (
        "http" not in re.sub(r"https?://(www\.)?gems?\.test", "", html.replace('http-equiv="', "")).split("</style>")[0]
    )
    assert json.loads(found.model_dump_json())["host"] == "198.51.100.10"


@pytest.mark.parametrize(
    ("connected", "came_from", "public"),
    [
        ("198.51.100.10", "203.0.113.7 50000 198.51.100.10 22", "198.51.100.10"),
        ("production.test", "203.0.113.7 50000 198.51.100.10 22", "198.51.100.10"),
        ("198.51.100.10", "203.0.113.7 50000 10.0.0.4 22", ""),
        ("10.0.0.4", "10.0.0.7 50000 10.0.0.4 22", ""),
        ("198.51.100.10", "", ""),
    ],
)
def test_the_public_address_is_known_only_where_nothing_translates_it(connected, came_from, public):
    found = _found(public_address="", operator_address="")
    _addresses(found, came_from, connected)
    assert found.public_address == public
