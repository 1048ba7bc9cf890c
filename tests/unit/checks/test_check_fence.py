"""Whether production's database can be closed, and whom that would hit."""

import pytest

from checks import check_fence
from fixtures.errors import NoGo
from fixtures.facts.server import Session
from fixtures.policy.entrants import Entrant
from tests.unit.example import PLAN


def test_rules_that_could_not_be_changed_are_no_go_before_the_night():
    check_fence.check_rules_can_be_changed([], [], stale=False)
    with pytest.raises(NoGo, match="line 4: bad, changed since"):
        check_fence.check_rules_can_be_changed(["line 4: bad"], [], stale=True)
    with pytest.raises(NoGo, match="syntax error"):
        check_fence.check_rules_can_be_changed([], ["/etc/postgresql/x.conf, line 3: syntax error"], stale=False)


def test_roles_that_work_elsewhere_are_no_go_until_they_are_spared():
    check = check_fence.check_no_other_database_is_hit
    own = [
        Entrant("postgres", elsewhere=("postgres",)),
        Entrant(PLAN.database.role, elsewhere=("cache",)),
        Entrant("idle"),
    ]
    check(PLAN, own)
    with pytest.raises(NoGo, match="watch in postgres, wiki"):
        check(PLAN, [*own, Entrant("watch", elsewhere=("postgres", "wiki"))])
    spare = PLAN.model_copy(update={"cutover": PLAN.cutover.model_copy(update={"spare_roles": ["watch"]})})
    check(spare, [*own, Entrant("watch", elsewhere=("postgres", "wiki"))])


def test_a_worker_of_an_extension_is_no_go_before_the_night():
    check = check_fence.check_no_extension_works_by_itself
    people = [
        Session(1, "payroll", "puma", "client backend", ""),
        Session(2, "", "", "logical replication apply worker", ""),
    ]
    check(people)
    with pytest.raises(NoGo, match="pg_cron launcher"):
        check([*people, Session(3, "postgres", "pg_cron scheduler", "pg_cron launcher", "")])
