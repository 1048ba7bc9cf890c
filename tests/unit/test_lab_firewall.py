"""Security groups become nftables rules that say the same."""

import shutil
import subprocess
from types import SimpleNamespace

import pytest

from fixtures.lab.hosts.firewall import Rule, rules_of, ruleset


def incoming(*rules):
    """The statements for these ingress rules, without what every table begins with."""
    lines = [line.strip() for line in ruleset(rules, []).splitlines()]
    start = lines.index("chain input {")
    return lines[start + 5 : lines.index("}", start)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("tcp", 22, 22, ("198.18.0.254/32",)), ["ip saddr 198.18.0.254/32 tcp dport 22 accept"]),
        (Rule("tcp", 8000, 8010, ("0.0.0.0/0",)), ["meta nfproto ipv4 tcp dport 8000-8010 accept"]),
        (Rule("udp", 0, 65535, ("::/0",)), ["meta nfproto ipv6 meta l4proto udp accept"]),
        (Rule("tcp", 443, 443, ("2001:db8::/32",)), ["ip6 saddr 2001:db8::/32 tcp dport 443 accept"]),
        (Rule("-1", None, None, ("10.77.0.4",)), ["ip saddr 10.77.0.4/32 accept"]),
        (Rule("icmp", -1, -1, ("0.0.0.0/0",)), ["meta nfproto ipv4 meta l4proto icmp accept"]),
        (Rule("icmp", 8, 0, ("10.0.0.0/8",)), ["ip saddr 10.0.0.0/8 icmp type 8 icmp code 0 accept"]),
        (Rule("icmpv6", 128, -1, ("::/0",)), ["meta nfproto ipv6 icmpv6 type 128 accept"]),
        (Rule("icmp", -1, -1, ("::/0",)), []),
        (Rule("50", None, None, ("10.0.0.0/8",)), ["ip saddr 10.0.0.0/8 meta l4proto 50 accept"]),
        (Rule("tcp", 22, 22, ()), []),
        (Rule("tcp", 22, 22, ("10.77.0.9/24",)), ["ip saddr 10.77.0.0/24 tcp dport 22 accept"]),
    ],
)
def test_one_rule(rule, expected):
    assert incoming(rule) == expected


def test_the_same_rule_of_two_groups_is_written_once():
    rule = Rule("tcp", 80, 80, ("0.0.0.0/0",))
    assert len(incoming(rule, rule)) == 1


def test_outgoing_rules_match_the_destination():
    text = ruleset([], [Rule("tcp", 25, 25, ("198.18.0.6/32",))])
    assert "ip daddr 198.18.0.6/32 tcp dport 25 accept" in text
    assert "saddr" not in text


def test_no_rule_means_nothing_passes():
    text = ruleset([], [])
    assert text.count("policy drop") == 2


def permission(**given):
    values = {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "ip_range": {}, "source_group": {}}
    return SimpleNamespace(**{**values, **given})


def test_permissions_by_prefix_and_by_group():
    addresses = {"sg-1": ["10.77.0.4", "10.77.0.5"]}
    rules = rules_of(
        [
            permission(ip_range={"CidrIp": "198.18.0.0/24"}),
            permission(ip_range={"CidrIpv6": "::/0"}, from_port="80", to_port="80"),
            permission(source_group={"GroupId": "sg-1"}, ip_protocol="-1", from_port=None, to_port=None),
            permission(ip_protocol="17", ip_range={"CidrIp": "10.0.0.0/8"}),
        ],
        lambda group: addresses[group],
    )
    assert rules == [
        Rule("tcp", 22, 22, ("198.18.0.0/24",)),
        Rule("tcp", 80, 80, ("::/0",)),
        Rule("-1", None, None, ("10.77.0.4", "10.77.0.5")),
        Rule("udp", 22, 22, ("10.0.0.0/8",)),
    ]


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_nft_accepts_every_form():
    everything = [
        Rule("-1", None, None, ("0.0.0.0/0", "::/0", "10.77.0.4")),
        Rule("tcp", 0, 65535, ("0.0.0.0/0",)),
        Rule("udp", 53, 53, ("10.0.0.0/8", "2001:db8::/32")),
        Rule("icmp", 8, 0, ("0.0.0.0/0",)),
        Rule("icmp", -1, -1, ("0.0.0.0/0",)),
        Rule("icmpv6", -1, -1, ("::/0",)),
        Rule("icmpv6", 128, 0, ("::/0",)),
        Rule("50", None, None, ("10.0.0.0/8",)),
    ]
    text = ruleset(everything, everything, unfiltered=["ip daddr 169.254.169.254"])
    checked = subprocess.run(
        ["unshare", "--net", "nft", "--check", "-f", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    if "Operation not permitted" in checked.stderr:
        pytest.skip("needs root for a network namespace")
    assert checked.returncode == 0, checked.stderr
