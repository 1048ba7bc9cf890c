"""A number that the business knows is the same on both sides once everything was copied.

Whole rows of a query are compared by [[comparison]] in the plan, without a check.
"""

from decimal import Decimal

import pytest

from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.fact import SqlFact, single
from fixtures.facts.wanted import in_source_db, in_target_db

# Yours: one number.
TOTAL = SqlFact("SELECT sum(amount) FROM payslip_lines", single)


@pytest.mark.final_data_copied
def check_total_is_the_same(
    before: Decimal | None = in_source_db(TOTAL), after: Decimal | None = in_target_db(TOTAL)
) -> None:
    """All payslips together pay out the same on both sides."""
    if before is None:
        raise CouldNotVerify(
            TOTAL.statement, expected="a number on production", found="none", remedy="sum another column"
        )
    if after != before:
        raise NoGo(TOTAL.statement, expected=str(before), found=str(after), remedy="copy the database anew")
