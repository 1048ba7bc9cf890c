"""A production that is still asked, seen red."""

import pytest

from checks import check_acceptance
from fixtures.errors import NoGo
from fixtures.run.records import UsersMoved
from tests.unit.windows import NOW


def red(check, *arguments):
    with pytest.raises(NoGo) as caught:
        check(*arguments)
    return str(caught.value)


def test_a_production_that_is_still_asked_is_red(run):
    moved = UsersMoved(begun=NOW, offsets={"source": 0, "target": 0}, requests={"source": 7, "target": 340})
    moved.clients = ["192.0.2.200"]
    run.record(moved)
    text = red(check_acceptance.check_production_fell_silent, run)
    assert "7 since the change" in text
    assert "192.0.2.200" in text
    run.record(moved.model_copy(update={"silent": True}))
    check_acceptance.check_production_fell_silent(run)
