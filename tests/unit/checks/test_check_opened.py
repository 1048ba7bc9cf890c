"""Whether the target takes writes."""

import pytest

from checks import check_opened
from fixtures.errors import NoGo
from tests.unit.example import PLAN


@pytest.mark.parametrize(
    ("refused", "found", "words"),
    [("28000", [], "SQLSTATE 28000"), (None, ["default_transaction_read_only=on"], "read_only=on")],
)
def test_what_keeps_the_application_from_writing_is_no_go(refused, found, words):
    check_opened.check_application_may_write(PLAN, refused=None, found=[])
    with pytest.raises(NoGo, match=words):
        check_opened.check_application_may_write(PLAN, refused=refused, found=found)
