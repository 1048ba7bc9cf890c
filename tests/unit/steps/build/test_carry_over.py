"""What is carried over from production, and how."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
from psycopg2 import sql

from fixtures.errors import StepFailed
from fixtures.plan import Deviation
from steps.build import carry_over


def _deviation(key, source="15", expected="17"):
    return Deviation(key=key, source=source, expected=expected, reason="Debian 13 carries it")


class _Plan:
    deviation = (_deviation("os.locale", "C", "C.UTF-8"),)


def test_what_is_carried_over_is_production_s_word_or_the_deviation_s():
    listed = {
        "os.locale": "C", "postgresql.settings.max_connections": "200", "postgresql.version": "15",
        "postgresql.settings.shared_preload_libraries": "pg_stat_statements", "package.cron": "installed",
        "nginx.send_timeout": "60s",
    }  # fmt: skip
    found = {**dict.fromkeys(listed, "none"), "nginx.send_timeout": "60s"}
    assert carry_over.to_carry(_Plan, listed, found) == {
        "os.locale": "C.UTF-8",
        "postgresql.settings.max_connections": "200",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sysctl.kernel.modprobe", "/home/payroll/x"),
        ("sysctl.kernel.core_pattern", "|/home/payroll/x"),
        ("sysctl.fs.binfmt_misc.register", ":a:M::x::/x:C"),
        ("sysctl.vm.swappiness", "1\nkernel.modprobe = /x"),
        ("sysctl.kernel.mod*", "/x"),
        ("nginx.send_timeout", "60s; error_log /etc/cron.d/x"),
        ("os.locale", "C\nPATH=/tmp"),
        ("os.locale", "$(id)"),
        ("hosts.a\tb", "192.0.2.1"),
    ],
)
def test_what_would_be_more_than_a_value_is_left_for_the_gate(key, value):
    plan = SimpleNamespace(deviation=())
    assert carry_over.to_carry(plan, {key: value}, {}) == {}
    kept = {"sysctl.net.ipv4.ip_local_port_range": "1024 65000", "postgresql.settings.datestyle": 'ISO, "DMY"'}
    assert carry_over.to_carry(plan, {key: value, **kept}, {}) == kept


def test_what_an_earlier_attempt_carried_into_our_file_stays_in_it():
    listed = {"hosts.mail": "10.0.0.9", "hosts.queue": "10.0.0.8", "sysctl.vm.swappiness": "10"}
    found = {**listed, "hosts.queue": "none"}
    assert carry_over.to_carry(_Plan, listed, found) == {"hosts.mail": "10.0.0.9", "hosts.queue": "10.0.0.8"}


def test_statements_and_lines_that_carry():
    name, value = sql.Identifier("statement_timeout"), sql.Literal("30s")
    assert carry_over.set_statement("statement_timeout", "30s") == sql.SQL("ALTER SYSTEM SET {} = {}").format(
        name, value
    )
    assert carry_over.set_statement("statement_timeout", "not set") == sql.SQL("ALTER SYSTEM RESET {}").format(name)
    assert (
        carry_over.nginx_lines({"client_max_body_size": "20m", "send_timeout": "not set"})
        == "client_max_body_size 20m;\n"
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
        carry_over._web(Target(), "send_timeout 60s;\n")
    assert Target.files == {}
