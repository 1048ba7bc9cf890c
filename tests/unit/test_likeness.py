"""The listed facts, what is carried over, and the plan's deviations."""

from typing import ClassVar

import pytest
from psycopg2 import sql

from fixtures.errors import StepFailed
from fixtures.facts import likeness, listeners, nginx, updates
from fixtures.plan import Deviation
from steps.build import finish

LOGROTATE = """\
weekly
rotate 4
include /etc/logrotate.d
/home/payroll/shared/log/*.log {
    rotate 8
    compress
}
/var/log/nginx/*_log
/var/log/other.log
{
    daily   # every day
    rotate 14
    postrotate
        invoke-rc.d nginx rotate
    endscript
}
"""


@pytest.mark.parametrize(
    ("log", "treated"),
    [
        ("/var/log/nginx/app_log", "daily, 14 kept"),
        ("/var/log/other.log", "daily, 14 kept"),
        ("/home/payroll/shared/log/production.log", "weekly, 8 kept"),
        ("/var/log/nobody.log", "none"),
    ],
)
def test_rotation_is_that_of_the_stanza_that_names_the_log(log, treated):
    assert likeness.rotation(LOGROTATE, log) == treated


def test_sysctl_takes_the_last_word_and_leaves_out_the_hardware():
    texts = [
        "# a comment\nvm.swappiness=60\nkernel.shmmax = 1\n",
        "vm/swappiness = 10\n-net.ipv4.conf.eth0.rp_filter=1\n",
    ]
    assert likeness.sysctl(texts) == [("vm.swappiness", "10")]


def test_hosts_entries_are_other_machines_names():
    text = "127.0.0.1 localhost\n127.0.1.1 production\n203.0.113.9 erp.test erp # the partner\n198.18.1.10 app.test\n::1 ip6\n"
    assert likeness.hosts_entries(text, {"198.18.1.10", "production"}) == [
        ("erp", "203.0.113.9"),
        ("erp.test", "203.0.113.9"),
    ]


def test_major_versions():
    assert (likeness.major(150004), likeness.major(90603)) == ("15", "9.6")


def test_every_fact_has_a_reason():
    assert "upload" in likeness.reason("nginx.client_max_body_size")


def _deviation(key, source="15", expected="17"):
    return Deviation(key=key, source=source, expected=expected, reason="Debian 13 carries it")


def test_deviations_must_be_of_listed_facts_as_production_has_them():
    listed = {"postgresql.version": "15", "os.locale": "C", "ruby.version": "3.1.2"}
    wrong = likeness.wrong_deviations(
        [
            _deviation("postgresql.version"),
            _deviation("postgresql.version"),
            _deviation("os.colour"),
            _deviation("os.locale"),
            _deviation("ruby.version", "3.1.2", "3.1.2"),
        ],
        listed,
    )
    assert [line.partition(":")[0] for line in wrong] == [
        "postgresql.version",
        "os.colour",
        "os.locale",
        "ruby.version",
    ]
    assert likeness.wrong_deviations([_deviation("postgresql.version")], listed) == []


class _Plan:
    deviation = (_deviation("os.locale", "C", "C.UTF-8"),)


def test_what_is_carried_over_is_production_s_word_or_the_deviation_s():
    listed = {
        "os.locale": "C", "postgresql.settings.max_connections": "200", "postgresql.version": "15",
        "postgresql.settings.shared_preload_libraries": "pg_stat_statements", "package.cron": "installed",
        "nginx.send_timeout": "60s",
    }  # fmt: skip
    found = {**dict.fromkeys(listed, "none"), "nginx.send_timeout": "60s"}
    assert finish.to_carry(_Plan, listed, found) == {
        "os.locale": "C.UTF-8",
        "postgresql.settings.max_connections": "200",
    }


def test_what_an_earlier_attempt_carried_into_our_file_stays_in_it():
    listed = {"hosts.mail": "10.0.0.9", "hosts.queue": "10.0.0.8", "sysctl.vm.swappiness": "10"}
    found = {**listed, "hosts.queue": "none"}
    assert finish.to_carry(_Plan, listed, found) == {"hosts.mail": "10.0.0.9", "hosts.queue": "10.0.0.8"}


def test_statements_and_lines_that_carry():
    name, value = sql.Identifier("statement_timeout"), sql.Literal("30s")
    assert finish.set_statement("statement_timeout", "30s") == sql.SQL("ALTER SYSTEM SET {} = {}").format(name, value)
    assert finish.set_statement("statement_timeout", "not set") == sql.SQL("ALTER SYSTEM RESET {}").format(name)
    assert (
        finish.nginx_lines({"client_max_body_size": "20m", "send_timeout": "not set"}) == "client_max_body_size 20m;\n"
    )


def test_lines_that_nginx_refuses_are_taken_away_again():
    class Target:
        files: ClassVar = {}

        def write_file(self, path, content):
            self.files[path] = content

        def check(self, argv):
            if argv[0] == "nginx":
                raise StepFailed("nginx", expected="0", found='"send_timeout" directive is duplicate', remedy="")
            assert argv[:3] == ["rm", "-f", "--"], "nothing is reloaded"
            del self.files[argv[3]]

    with pytest.raises(StepFailed, match="duplicate"):
        finish._web(Target(), "send_timeout 60s;\n")
    assert Target.files == {}


# --- nginx ------------------------------------------------------------------------------------------------------------

SITE = """
client_max_body_size 8m;  # for all
server { listen 80; server_name app.test www.app.test; return 301 https://$host$request_uri; }
server {
  listen 443 ssl;
  server_name "app.test";
  send_timeout 30s;
  location ~ "^/a{2}/" { proxy_pass http://pack; add_header X-Say 'he said; "no" }'; }
}
"""


class _Files:
    files: ClassVar[dict[str, str]] = {
        "/etc/nginx/nginx.conf": "events {}\nhttp { include conf.d/*.conf; include sites/*; send_timeout 10s; }",
        "/etc/nginx/sites/app": SITE,
    }

    def succeeds(self, argv):
        return argv[-1] in self.files

    def check(self, argv):
        return "".join(
            f"{path}\n" for path in self.files if path.startswith(argv[-1].rstrip("*")) and argv[-1].endswith("s/*")
        )

    def read_file(self, path):
        return self.files[path]


def test_nginx_is_read_with_its_includes_in_place():
    tree = nginx.load(_Files())
    server = nginx.server_of(tree, "app.test")
    assert [one.args for one in server.all("listen")] == [("443", "ssl")]
    assert server.file == "/etc/nginx/sites/app"
    assert nginx.in_effect(tree, server, "send_timeout") == "30s"
    assert nginx.in_effect(tree, server, "client_max_body_size") == "8m"
    assert nginx.in_effect(tree, server, "proxy_read_timeout") is None
    assert next(server.deep("add_header")).args == ("X-Say", 'he said; "no" }')


def test_nginx_that_breaks_off_is_no_crash():
    assert nginx.parse("http { server { listen 80;") == ()
    assert nginx.parse("} ; }") == ()


# --- listeners, updates -----------------------------------------------------------------------------------------------


def test_listeners_of_ss():
    shown = """\
tcp   LISTEN 0 244 127.0.0.1:5432 0.0.0.0:* users:(("postgres",pid=53,fd=6))
tcp   LISTEN 0 511 *:80 *:* users:(("nginx",pid=48,fd=7),("nginx",pid=47,fd=7))
tcp   LISTEN 0 128 [::]:22 [::]:*
udp   UNCONN 0 0 10.0.0.4%eth0:68 0.0.0.0:*
udp   UNCONN 0 0 [::1]:323 [::]:*
tcp   LISTEN 0 9 0.0.0.0:6379 0.0.0.0:* users:(("redis-server",pid=9,fd=7))
"""
    found = listeners.parse(shown)
    assert [(one.port, one.program, one.pid) for one in found if one.public] == [
        (80, "nginx", 48), (6379, "redis-server", 9), (22, "", 0),
    ]  # fmt: skip
    assert "6379 (redis-server)" in str(found[1]) or "6379" in " ".join(map(str, found))


def test_security_updates_are_told_from_others():
    shown = """\
apt libssl3 [3.0.11-1] (3.0.17-1 Debian-Security:12/stable-security [amd64])
apt tzdata [2024a] (2025a Debian:12/stable-updates [all])
apt curl [7.81.0-1ubuntu1.1] (7.81.0-1ubuntu1.15 Ubuntu:22.04/jammy-security [amd64]) []
dnf ALAS2023-2025-123 Important/Sec. openssl-3.0.8-1.amzn2023.x86_64
"""
    assert updates.security_updates(shown) == ["curl", "libssl3", "openssl-3.0.8-1.amzn2023.x86_64"]
