"""Whether closed production's uploads stand still."""

import pytest

from checks import check_final_copy
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.run.records import Counters, Standstill
from tests.unit.example import PLAN

COUNTERS = Counters(next_transaction=7, written={}, sequences={}, automatic=0, elsewhere=0, reset="")


def test_a_change_of_uploads_since_closing_is_no_go(run):
    upload, check = PLAN.files[0], check_final_copy.check_uploads_stand_still
    with pytest.raises(CouldNotVerify, match="standstill"):
        check(upload, run, ("1796000000.5", "./"))
    run.record(Standstill(counters=COUNTERS, uploads={str(upload.path): "1796000000.5"}))
    check(upload, run, ("1796000000.5", "./"))
    with pytest.raises(NoGo, match=r"2026-11-30 00:53:21.500000 UTC, of \./2026/new\.pdf"):
        check(upload, run, ("1796000001.5", "./2026/new.pdf"))
    run.record(Standstill(counters=COUNTERS, uploads={}))
    with pytest.raises(NoGo, match="not known"):
        check(upload, run, ("1796000000.5", "./"))
