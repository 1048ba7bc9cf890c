"""The guards before destructive steps: whom they let pass, and whom they refuse."""

import pytest

from fixtures import places
from fixtures.errors import Refused
from fixtures.run.journal import TargetOpened
from steps.engine import guards
from tests.unit.example import FACTS, PLAN
from tests.unit.steps import target as targets
from tests.unit.steps.target import Cloud, Target, cloud_with

run = targets.run


def identity(run, **changes):
    said = {"machine": "own", "instance": "i-1", "marker": places.marker(run, FACTS), "opened": "closed"} | changes
    return "\n".join(said.values()) + "\n"


def test_this_runs_own_target_is_proven(run):
    assert guards.prove_target(Target([identity(run)]), run, PLAN, cloud_with()) == FACTS
    assert guards.prove_target(Target([identity(run, cluster="7002")]), run, PLAN, cloud_with()) == FACTS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"machine": "source-machine"}, "the source"),
        ({"instance": "i-2"}, "i-2"),
        ({"instance": ""}, "no instance id"),
        ({"marker": ""}, "no marker"),
        ({"marker": '{"run": "another", "instance": "i-1"}'}, "another"),
        ({"cluster": "7001"}, "the source's cluster"),
    ],
)
def test_a_host_that_is_not_this_runs_target_is_refused(run, changes, complaint):
    with pytest.raises(Refused, match=complaint):
        guards.prove_target(Target([identity(run, **changes)]), run, PLAN, cloud_with())


def test_an_instance_or_address_that_the_cloud_does_not_show_is_refused(run):
    for cloud in (Cloud(), cloud_with(id="i-2"), cloud_with(public_address="192.0.2.5")):
        with pytest.raises(Refused):
            guards.prove_target(Target([identity(run)]), run, PLAN, cloud)
    with pytest.raises(Refused, match=r"192\.0\.2\.9"):
        guards.prove_target(Target([identity(run)], address="192.0.2.9"), run, PLAN, cloud_with())


def test_after_the_opening_nothing_may_be_overwritten(run):
    guards.refuse_after_opening(run, Target())
    with pytest.raises(Refused, match="opened on the target"):
        guards.refuse_after_opening(run, Target(opened=True))
    run.journal(TargetOpened())
    with pytest.raises(Refused, match="journal"):
        guards.refuse_after_opening(run, Target())
