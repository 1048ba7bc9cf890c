"""The target's database holds what production held when it was copied."""

from collections.abc import Mapping
from typing import TypeVar

import pytest

from checks.equality import in_words, must_be_none
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import copies, server
from fixtures.facts.catalogue import TABLES
from fixtures.facts.fact import HostFact
from fixtures.facts.files import among_those_there
from fixtures.facts.wanted import in_source_db, in_target_db, on_source, on_target
from fixtures.plan import Plan
from fixtures.run.journal import TargetOpened
from fixtures.run.places import MEMORY, STATE_DIRECTORY
from fixtures.run.records import DataCopy, Survey, TableCopy
from fixtures.run.run import Run
from fixtures.sameness.digest import kept_buckets
from fixtures.sameness.proofs import (
    BEFORE,
    TARGET,
    Rows,
    before_journeys,
    large_objects,
    on_production_since,
    on_target_until_opened,
    rows_of,
    rows_on_target,
)
from fixtures.sameness.side import explain
from fixtures.sameness.tables import LARGE_OBJECTS
from fixtures.scripts import script

pytestmark = [pytest.mark.data_copied, pytest.mark.final_data_copied]

T = TypeVar("T")

REFRESH = (
    "a restore fills a materialised view anew from the copied tables: refresh production's just before the copy, then"
    " `gonogo run`; or accept the fresh one by a waiver"
)
AGAIN = "copy again: `gonogo run` (before the target opened; afterwards see `gonogo back-out`)"
WRITES = "; where a login or a journey writes there, name the table in smoke.writes or in its writes first"

_ROWS_ON_TARGET: dict[str, Rows | None] = in_target_db(lambda plan, run, table: rows_on_target(plan, run, table))
_ROWS_ON_PRODUCTION: dict[str, Rows | None] = in_source_db(
    lambda plan, run, table: on_production_since(run, rows_of(plan, run, table))
)


def _dumps(plan: Plan) -> HostFact[list[str]]:
    command = (*script(__file__, "dumps_left.sh"), plan.database.name)
    argv = among_those_there(command, str(MEMORY), str(STATE_DIRECTORY))
    return HostFact(argv, str.split, about=f"dumps of {plan.database.name}")


def recorded(table: str, copied: DataCopy) -> TableCopy:
    """What the copy recorded of a table; raises `CouldNotVerify` where its rows could not be read."""
    if table in copied.tables:
        return copied.tables[table]
    raise CouldNotVerify(
        f"rows of {table} in the copied snapshot",
        expected="every row to be read and written as text",
        found=copied.unproven.get(table, "a table that production did not have"),
        remedy="mend on production what is named above, then copy again: `gonogo run`",
    )


def compared(on_target: Mapping[str, T], on_production: Mapping[str, T]) -> tuple[str, T]:
    """The side that is compared with the copy's record, and what it says.

    It is the target until that is opened. From then on users write there, and what the copy holds is compared with closed
    production instead.
    """
    ((side, found),) = {**on_target, **on_production}.items()
    return side, found


def compared_rows(
    table: str, run: Run, on_target: Mapping[str, Rows | None], on_production: Mapping[str, Rows | None]
) -> tuple[str, Rows | None]:
    """As `compared`; of a table that a login or a journey may write to, what the target held before any was made."""
    before = before_journeys(run)
    if before and not on_target and not on_production:
        return BEFORE, Rows("r", before.tables[table])
    return compared(on_target, on_production)


def _there(table: str, side: str, found: Rows | None) -> Rows:
    if found is None:
        raise NoGo(f"the table {table}", expected=f"on {side}", found="no such table", remedy=AGAIN)
    return found


def _remedy(there: Rows, run: Run) -> str:
    if there.kind == "m":
        return REFRESH
    return f"{AGAIN}{WRITES}" if before_journeys(run) and not run.happened(TargetOpened) else AGAIN


def check_row_counts_match(
    table: str,
    copied: DataCopy,
    run: Run,
    on_target: dict[str, Rows | None] = _ROWS_ON_TARGET,
    on_production: dict[str, Rows | None] = _ROWS_ON_PRODUCTION,
) -> None:
    """Every table has exactly the rows that production had: a missing row is a lost payslip."""
    side, rows = compared_rows(table, run, on_target, on_production)
    there = _there(table, side, rows)
    expected, found = recorded(table, copied).rows, there.copy.rows
    if expected != found:
        raise NoGo(
            f"rows of {table} on {side}",
            expected=f"{expected}, as in the copied snapshot",
            found=found,
            remedy=_remedy(there, run),
        )


def check_rows_match(
    table: str,
    copied: DataCopy,
    plan: Plan,
    run: Run,
    request: pytest.FixtureRequest,
    on_target: dict[str, Rows | None] = _ROWS_ON_TARGET,
    on_production: dict[str, Rows | None] = _ROWS_ON_PRODUCTION,
) -> None:
    """Every table's rows are equal, value by value, to those that production had."""
    side, rows = compared_rows(table, run, on_target, on_production)
    there = _there(table, side, rows)
    expected, found = recorded(table, copied), there.copy
    if expected == found:
        return
    show = [name.removeprefix(f"{table}.") for name in plan.proof.show_values if name.startswith(f"{table}.")]
    detail = f"digest {found.digest[:16]}"
    if side == TARGET:
        try:
            buckets = kept_buckets(run.directory, expected)
            source, target = request.getfixturevalue("sides")
            detail = explain(buckets, source, target, table, show)
        except CouldNotVerify as error:
            detail += f"; which rows differ could not be found out: {error.found}"
    raise NoGo(
        f"content of {table} on {side}",
        expected=f"the {expected.rows} rows of the copied snapshot, digest {expected.digest[:16]}",
        found=detail,
        remedy=_remedy(there, run),
    )


def check_no_other_tables(copied: DataCopy, run: Run, tables: list[str] = in_target_db(TABLES)) -> None:
    """The target has production's tables, no more and no fewer, and each of them is compared."""
    found = set(tables)
    expected = {*copied.tables, *copied.unproven} - {LARGE_OBJECTS}
    if found != expected:
        raise NoGo(
            "the tables on the target",
            expected=f"the {len(expected)} of the copied snapshot",
            found=f"missing: {in_words(sorted(expected - found))}; more: {in_words(sorted(found - expected))}",
            remedy=AGAIN,
        )
    # The checks of rows are one for each table of the survey.
    skipped = sorted(expected - set(run.records(Survey).tables))
    if skipped:
        raise CouldNotVerify(
            f"the rows of {', '.join(skipped)}",
            expected="tables that the survey knew",
            found="they were made on production since: no check compares their rows",
            remedy="survey anew: begin a new run with `gonogo run --new` (production closed: `gonogo back-out` first)",
        )


def check_large_objects_match(
    copied: DataCopy,
    on_target: dict[str, Rows | None] = in_target_db(
        lambda plan, run: on_target_until_opened(run, rows_of(plan, run, LARGE_OBJECTS))
    ),
    on_production: dict[str, Rows | None] = in_source_db(
        lambda plan, run: on_production_since(run, rows_of(plan, run, LARGE_OBJECTS))
    ),
    count_on_target: dict[str, int] = in_target_db(
        lambda plan, run: on_target_until_opened(run, large_objects(plan, run))
    ),
    count_on_production: dict[str, int] = in_source_db(
        lambda plan, run: on_production_since(run, large_objects(plan, run))
    ),
) -> None:
    """Every large object is there with its content, owner and grants."""
    if LARGE_OBJECTS in copied.unproven:
        recorded(LARGE_OBJECTS, copied)
    side, rows = compared(on_target, on_production)
    _, count = compared(count_on_target, count_on_production)
    found = count, _there(LARGE_OBJECTS, side, rows).copy.digest
    expected = (copied.large_objects, copied.large_objects_digest)
    if found != expected:
        raise NoGo(
            f"large objects on {side}",
            expected=f"{expected[0]}, digest {expected[1][:16]}",
            found=f"{found[0]}, digest {found[1][:16]}",
            remedy=AGAIN,
        )


def check_copy_came_from_production(run: Run, copied: DataCopy, cluster: str = in_target_db(server.IDENTITY)) -> None:
    """The record is of production's cluster and of the one that runs on the target now."""
    expected = (run.records(Survey).system_identifier, cluster)
    found = (copied.source_identifier, copied.target_identifier)
    if not (found == expected != found[::-1]):
        raise NoGo(
            "identifiers of the clusters (source, target) in the copy's record",
            expected=in_words(expected),
            found=in_words(found),
            remedy=AGAIN,
        )


def check_no_dump_is_left(on_old: list[str] = on_source(_dumps), on_new: list[str] = on_target(_dumps)) -> None:
    """The copy left no dump of the database on either host."""
    found = [*(f"{path} on source" for path in on_old), *(f"{path} on target" for path in on_new)]
    must_be_none(
        "dumps of the database",
        expected="none: it is streamed",
        found=found,
        remedy="they lie in directories that are gonogo's alone: `rm FILE` on that host",
    )


@pytest.mark.files_copied
@pytest.mark.final_files_copied
@pytest.mark.accepted
def check_copying_left_no_key(
    keys: list[str] = on_source(copies.KEYS_LEFT), lines: list[str] = on_target(copies.blocks_left)
) -> None:
    """The copy's key is gone from the source, and its line from the target's authorized_keys."""
    if keys or lines:
        raise NoGo(
            "the copies' keys",
            expected="none on the source, no line on the target",
            found=f"{', '.join(keys) or 'none'} on the source, {len(lines)} lines on the target",
            remedy="if no copy is running: `gonogo run` takes them away at the next copy and at acceptance",
        )
