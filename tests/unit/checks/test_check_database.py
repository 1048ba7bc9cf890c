"""Whether the application's role is let into its database."""

import pytest

from checks import check_database
from fixtures.errors import NoGo
from tests.unit.example import PLAN


def test_a_refused_password_is_no_go():
    check_database.check_right_password_is_accepted(PLAN, refused=None)
    with pytest.raises(NoGo, match="refused \\(28P01\\)"):
        check_database.check_right_password_is_accepted(PLAN, refused="28P01")
