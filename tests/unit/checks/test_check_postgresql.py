"""PostgreSQL's development files are wanted where the plan lists them."""

import pytest

from checks import check_postgresql
from fixtures.errors import NoGo
from fixtures.plan import load_plan
from tests.unit.example import EXAMPLE


def test_development_files_are_wanted_where_the_plan_lists_them():
    plan = load_plan(EXAMPLE)
    check_postgresql.check_development_files_are_there(plan, "/usr/include/postgresql/libpq-fe.h")
    with pytest.raises(NoGo, match="libpq-fe"):
        check_postgresql.check_development_files_are_there(plan, "")
    bare = plan.model_copy(update={"postgresql": plan.postgresql.model_copy(update={"packages": ["postgresql"]})})
    check_postgresql.check_development_files_are_there(bare, "")
