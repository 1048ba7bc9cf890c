"""Whether production's database is closed to everybody."""

import pytest

from checks import check_closed
from fixtures.errors import NoGo
from tests.unit.example import PLAN


def test_a_password_that_still_lets_in_is_no_go():
    check_closed.check_password_is_refused(PLAN, code="28000")
    with pytest.raises(NoGo, match="accepted"):
        check_closed.check_password_is_refused(PLAN, code=None)


@pytest.mark.parametrize("after", [(8, 3), (7, 4)])
def test_a_write_while_it_is_watched_is_no_go(after):
    check_closed.check_nothing_writes(((7, 3), (7, 3)))
    check_closed.check_nothing_writes(((None, None), (None, None)))
    with pytest.raises(NoGo, match="over 1 s"):
        check_closed.check_nothing_writes(((7, 3), after))
