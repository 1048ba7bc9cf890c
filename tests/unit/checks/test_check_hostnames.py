"""What whoever asks public DNS meets: the target, under a certificate that is accepted."""

import pytest

from checks import check_hostnames
from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.network import VisitFact
from fixtures.facts.wanted import wanted_by
from fixtures.run.evidence import Problem
from tests.unit.example import FACTS, PLAN
from tests.unit.steps.target import SURVEY

HOSTNAME, RESOLVER = PLAN.web.hostnames[0], PLAN.dns.resolvers[0]
OWN, OTHER = FACTS.public_address, "198.51.100.9"
SILENT = Problem(subject="GET", expected="an answer", found="nothing within 15 seconds", remedy="wait")


@pytest.fixture
def moved(run):
    run.record(FACTS)
    run.record(SURVEY.model_copy(update={"health": dict.fromkeys(PLAN.web.hostnames, 200)}))
    return run


def named(*values):
    return {"A": DnsAnswer(RESOLVER.name, values, 60 if values else None, authoritative=False, exists=True)}


def judge(run, met):
    check_hostnames.check_name_works_through_public_dns(HOSTNAME, RESOLVER, PLAN, run, named(*met), met)


@pytest.mark.parametrize(
    ("met", "words"),
    [
        ({OWN: 503}, f"503 from {OWN}"),
        ({OWN: "certificate has expired"}, f"certificate has expired from {OWN}"),
        ({OTHER: 200}, f"200 from {OTHER}"),
        ({OWN: 200, OTHER: 200}, f"200 from {OTHER}"),
        ({OTHER: 200, OWN: SILENT}, f"200 from {OTHER}"),
    ],
)
def test_another_server_or_a_bad_answer_is_no_go(moved, met, words):
    judge(moved, {OWN: 200})
    with pytest.raises(NoGo) as caught:
        judge(moved, met)
    assert caught.value.found == words
    assert caught.value.expected == f"status 200 from {OWN}"


def test_where_nobody_answers_nothing_is_known(moved):
    for met in ({OWN: SILENT}, {OWN: SILENT, OTHER: 200}):
        with pytest.raises(CouldNotVerify, match="nothing within 15 seconds"):
            judge(moved, met)
    with pytest.raises(CouldNotVerify, match="an address"):
        judge(moved, {})
    with pytest.raises(KeyError):
        check_hostnames.check_name_works_through_public_dns(HOSTNAME, RESOLVER, PLAN, moved, named(OWN), {})


def test_resolvers_are_waited_for_and_each_address_that_they_name_is_visited(moved):
    wanted = wanted_by(check_hostnames.check_name_works_through_public_dns)
    values = {"hostname": HOSTNAME, "resolver": RESOLVER, "plan": PLAN, "run": moved}
    asked = wanted["answers"].made_of(values)
    kinds = [record.type for record in PLAN.dns.records if record.name == HOSTNAME]
    assert list(asked) == kinds
    assert {(one.name, one.only, one.seconds) for one in asked.values()} == {
        (HOSTNAME, frozenset({OWN}), PLAN.dns.ttl + 5)
    }
    assert list(wanted["answers"].made_of(values | {"hostname": "alias.example.test"})) == ["A"]
    met = wanted["met"].made_of(values | {"answers": named(OTHER, OWN)})
    assert met == {address: VisitFact(PLAN.health_page, address, HOSTNAME) for address in (OTHER, OWN)}


def test_whatever_status_production_gave_is_right(moved):
    moved.record(SURVEY.model_copy(update={"health": {HOSTNAME: 401}}))
    judge(moved, {OWN: 401})
    with pytest.raises(NoGo, match=f"status 401 from {OWN}"):
        judge(moved, {OWN: 200})
