"""Every authoritative server answers with the target's address, and nothing else."""

import pytest

from checks.equality import must_be_none
from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import NoGo
from fixtures.facts import network
from fixtures.facts.wanted import in_dns
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.run.journal import DnsChanged
from fixtures.run.records import TargetFacts, UsersMoved
from fixtures.run.run import Run

pytestmark = pytest.mark.dns_changed

CHANGE = "`gonogo run` changes it; a secondary must take the zone from the primary"


def check_record_names_the_target(
    record: DnsRecord, name_server: NameServer, run: Run, answer: DnsAnswer = in_dns(network.of_record)
) -> None:
    """Every record of the plan names the target on every authoritative server."""
    expected = run.records(TargetFacts).address(record.type)
    if answer.values != (expected,):
        raise NoGo(
            f"{record} on {name_server.name}",
            expected=expected,
            found=", ".join(answer.values) or "no such record",
            remedy=CHANGE,
        )


def check_no_other_family_names_production(
    hostname: str,
    name_server: NameServer,
    answers: dict[str, DnsAnswer] = in_dns(
        lambda name_server, hostname, plan: network.other_family(name_server, hostname, plan)
    ),
) -> None:
    """No record of the other address family still leads the site's names to production."""
    left = [value for answer in answers.values() for value in answer.values]
    must_be_none(
        f"{hostname} on {name_server.name}",
        expected="no address besides the records of the plan",
        found=left,
        remedy="list that record in dns.records, or delete it: users of that address family still reach the old host",
    )


def check_servers_agree_on_the_zone(plan: Plan, serials: dict[str, int] = in_dns(network.serials)) -> None:
    """All authoritative servers hold the same version of the zone."""
    if len(set(serials.values())) != 1:
        raise NoGo(
            f"the serial of {plan.dns.zone}",
            expected="the same on every server",
            found=", ".join(f"{name}: {serial}" for name, serial in serials.items()),
            remedy="see why a secondary lags: its log, NOTIFY, allowed transfers",
        )


def check_users_were_followed(run: Run) -> None:
    """Both access logs were followed after the change, and what resolvers still held was recorded."""
    moved = run.records(UsersMoved)
    if not {"source", "target"} <= moved.requests.keys():
        raise NoGo(
            "requests after the change",
            expected="counted on both hosts",
            found=f"counted on {', '.join(moved.requests) or 'none'}",
            remedy=CHANGE,
        )


def check_change_is_in_the_journal(run: Run) -> None:
    """The journal says when DNS was changed."""
    if not run.happened(DnsChanged):
        raise NoGo("the journal", expected="an entry dns_changed", found="none", remedy=CHANGE)
