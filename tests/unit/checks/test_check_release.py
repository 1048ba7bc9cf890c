"""What the release's checks say where production itself has nothing to compare with."""

import pytest

from checks import check_release
from fixtures.errors import CouldNotVerify
from tests.unit.example import PLAN


@pytest.mark.parametrize(
    ("check", "absent"),
    [
        (
            check_release.check_secrets_are_productions,
            {"status_there": None, "status": None, "values_there": {}, "values": {}},
        ),
        (check_release.check_user_is_there, {"expected": None, "found": None}),
        (check_release.check_further_files_arrived, {"expected": {}, "found": {}}),
    ],
)
def test_what_is_absent_on_both_hosts_proves_nothing(check, absent):
    with pytest.raises(CouldNotVerify, match="on production"):
        check(PLAN, **absent)
