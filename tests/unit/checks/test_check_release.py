"""What the release's checks say where production itself has nothing to compare with."""

import pytest

from checks import check_nginx, check_release
from fixtures.errors import CouldNotVerify, NoGo
from tests.unit.answers import Answers
from tests.unit.example import PLAN

DIGEST = "0" * 64


def site(*answers):
    return [Answers(answer, name=name) for answer, name in zip(answers, ("source", "target"), strict=True)]


@pytest.mark.parametrize(
    "check",
    [
        check_release.check_secrets_are_productions,
        check_release.check_user_is_there,
        check_release.check_further_files_arrived,
        check_nginx.check_site_is_productions,
    ],
)
def test_what_is_absent_on_both_hosts_proves_nothing(check):
    with pytest.raises(CouldNotVerify, match="on production"):
        check(*site("", ""), PLAN)


def test_what_production_has_alone_is_no_go():
    there = f"{DIGEST}  {PLAN.web.site}\n"
    check_nginx.check_site_is_productions(*site(there, there), PLAN)
    with pytest.raises(NoGo, match="absent"):
        check_nginx.check_site_is_productions(*site(there, ""), PLAN)
