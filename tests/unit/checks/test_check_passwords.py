"""Whether a password is asked for."""

import pytest

from checks import check_passwords
from fixtures.errors import NoGo
from tests.unit.example import PLAN


@pytest.mark.parametrize("code", ["28P01", "28000"])
def test_a_refused_wrong_password_is_good(code):
    check_passwords.check_wrong_password_is_refused(PLAN, answer=code)


def test_a_wrong_password_that_lets_in_is_no_go():
    with pytest.raises(NoGo, match="let in"):
        check_passwords.check_wrong_password_is_refused(PLAN, answer=None)
