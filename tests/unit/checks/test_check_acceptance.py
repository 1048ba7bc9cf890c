"""A production that is still asked or written to, seen red."""

import pytest

from checks import check_acceptance
from fixtures.errors import NoGo
from fixtures.facts.wanted import wanted_by
from fixtures.run.records import DataCopy, TableCopy, UsersMoved
from fixtures.sameness.proofs import Rows
from tests.unit.example import PLAN
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


COPIED = DataCopy(
    final=True, snapshot="1", source_identifier="1", target_identifier="2", sequences={}, sequences_after={},
    tables={"public.a": TableCopy(rows=1, digest="1 1", method="typed")}, unproven={"public.odd": "why"},
    large_objects=0, large_objects_digest="none",
)  # fmt: skip
WRITTEN = Rows("r", TableCopy(rows=2, digest="1 2"))
ROWS = {"public.a": Rows("r", COPIED.tables["public.a"]), "public.odd": None}
OBJECTS = Rows("L", TableCopy(rows=0, digest="none"))


def test_an_old_host_as_it_was_copied_is_go_and_every_table_of_the_copy_is_read(run):
    check_acceptance.check_old_host_takes_no_writes(COPIED, ROWS, OBJECTS, ["public.a"])
    run.record(COPIED)
    wanted = wanted_by(check_acceptance.check_old_host_takes_no_writes)
    assert set(wanted["rows"].made_of({"plan": PLAN, "run": run})) == {"public.a", "public.odd"}


@pytest.mark.parametrize(
    ("rows", "objects", "tables", "words"),
    [
        (ROWS | {"public.a": WRITTEN}, OBJECTS, ["public.a"], "public.a: rows=2"),
        (ROWS | {"public.a": None}, OBJECTS, [], "public.a: absent"),
        (ROWS | {"public.odd": WRITTEN}, OBJECTS, ["public.a"], "public.odd: rows=2"),
        (ROWS, OBJECTS, ["public.a", "public.new"], "public.new: a table that was made since"),
        (ROWS, Rows("L", TableCopy(rows=1, digest="some")), ["public.a"], "large objects"),
    ],
)
def test_an_old_host_that_was_written_to_is_red(rows, objects, tables, words):
    assert words in red(check_acceptance.check_old_host_takes_no_writes, COPIED, rows, objects, tables)
