"""What nginx's checks say of the site's configuration, where production has none and where the target has another."""

import pytest

from checks import check_nginx
from fixtures.errors import CouldNotVerify, NoGo
from tests.unit.example import PLAN

THERE = {str(PLAN.web.site): "0" * 64}


def test_a_site_that_is_absent_on_both_hosts_proves_nothing():
    with pytest.raises(CouldNotVerify, match="on production"):
        check_nginx.check_site_is_productions(PLAN, expected={}, found={})


def test_a_site_that_production_has_alone_is_no_go():
    check_nginx.check_site_is_productions(PLAN, expected=THERE, found=THERE)
    with pytest.raises(NoGo, match="absent"):
        check_nginx.check_site_is_productions(PLAN, expected=THERE, found={})
