"""A record of the other address family that was forgotten."""

from contextlib import nullcontext

import pytest

from checks import check_ttl
from fixtures.errors import NoGo
from fixtures.facts.network import other_family
from tests.unit.example import PLAN
from tests.unit.ipv6 import OLD_IPV6, ByFamily


def test_a_forgotten_aaaa_record_is_red():
    record, server = PLAN.dns.records[0], PLAN.dns.primary
    for left, wrong in (({}, False), ({"AAAA": [OLD_IPV6]}, True)):
        names = ByFamily(A=["198.51.100.10"], **left)
        answers = {kind: fact.put(names) for kind, fact in other_family(server, record.name, PLAN).items()}
        assert list(answers) == ["AAAA"], "the A record moves"
        with pytest.raises(NoGo, match="AAAA 2001:db8::10, forgotten") if wrong else nullcontext():
            check_ttl.check_no_other_family_is_forgotten(record, server, answers)
