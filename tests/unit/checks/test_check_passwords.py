"""Of pg_hba.conf's rules, the first that matches decides."""

import pytest

from checks.check_passwords import Rule, first_match

OURS = Rule(1, "host", ["payroll_prod"], ["all"], "127.0.0.1", "255.255.255.255", "scram-sha-256")


@pytest.mark.parametrize(
    "rule",
    [
        Rule(0, "host", ["all"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["all"], "all", "", "trust"),
        Rule(0, "host", ["all"], ["all"], "samehost", "", "trust"),
        Rule(0, "host", ["all"], ["all"], "localhost", "", "trust"),
        Rule(0, "host", ["payroll_prod"], ["payroll"], "127.0.0.0", "255.0.0.0", "trust"),
        Rule(0, "host", ["x", "payroll_prod"], ["y", "+readers"], "0.0.0.0", "0.0.0.0", "md5"),
        Rule(0, "hostnossl", ["samerole"], ["payroll"], "127.0.0.1", "255.255.255.255", "trust"),
    ],
)
def test_a_looser_rule_ahead_is_the_one_that_decides(rule):
    roles = {"payroll", "readers", "payroll_prod"}
    assert first_match([rule, OURS], "payroll_prod", roles, "payroll", "127.0.0.1", "hostnossl") == rule


@pytest.mark.parametrize(
    "rule",
    [
        Rule(0, "local", ["all"], ["all"], "", "", "trust"),
        Rule(0, "host", ["other"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["other", "+others"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["all"], "10.0.0.0", "255.0.0.0", "trust"),
        Rule(0, "host", ["all"], ["all"], "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "trust"),
        Rule(0, "hostssl", ["all"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["replication"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
    ],
)
def test_a_rule_for_something_else_is_passed_over(rule):
    assert first_match([rule, OURS], "payroll_prod", {"payroll"}, "payroll", "127.0.0.1", "hostnossl") == OURS
