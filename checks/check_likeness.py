"""Each listed fact is on the target what it is on production, or what a deviation of the plan expects instead."""

from typing import Any

import pytest

from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts import likeness
from fixtures.facts.likeness import Subject
from fixtures.facts.wanted import in_source_db, in_target_db, on_source, on_target
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run


@pytest.mark.build_finished
def check_fact_is_productions(
    fact: str,
    run: Run,
    plan: Plan,
    host: dict[str, Any] = on_target(lambda plan: likeness.on_host(Subject.of(plan))),
    database: dict[str, Any] = in_target_db(lambda: likeness.IN_DATABASE),
) -> None:
    """Each listed fact is on the target what it is on production, or what the plan's deviation expects."""
    listed = run.records(Survey).facts[fact]
    found = likeness.of_subject(Subject.of(plan), host, database).get(fact, "none")
    planned = likeness.deviation(plan, fact)
    if planned is not None and planned.source != listed:
        raise NoGo(
            f"the plan's deviation {fact}",
            expected=f"production's value: {listed}",
            found=planned.source,
            remedy="correct the deviation in the plan, or survey anew: `gonogo run --new`",
        )
    expected = planned.expected if planned else listed
    if found != expected:
        raise NoGo(
            f"{fact} on the target ({likeness.reason(fact)})",
            expected=f"{expected} ({f'deviation: {planned.reason}' if planned else 'as on production'})",
            found=found,
            remedy="run `gonogo run --until build_finished`; what that cannot carry over: set it on the target (a unit's drop-in, a"
            " package, a log's rotation: application.also_copy or packages), or list it as a [[deviation]] with its reason",
        )


@pytest.mark.source_surveyed
def check_listed_facts_are_the_surveyed_ones(
    run: Run,
    plan: Plan,
    host: dict[str, Any] = on_source(lambda plan: likeness.on_host(Subject.of(plan))),
    database: dict[str, Any] = in_source_db(lambda: likeness.IN_DATABASE),
) -> None:
    """Every listed fact of production is still what it was when it was surveyed."""
    listed = run.records(Survey).facts
    found = likeness.of_subject(Subject.of(plan), host, database)
    changed = [
        f"{key}: {listed.get(key, 'none')}, now {found.get(key, 'none')}"
        for key in sorted({*listed, *found})
        if listed.get(key) != found.get(key)
    ]
    if not listed or changed:
        raise NoGo(
            "production's listed facts",
            expected="as surveyed",
            found="; ".join(changed) or "none at all",
            remedy="survey anew: begin a new run with `gonogo run --new`",
        )


@pytest.mark.source_surveyed
def check_deviations_are_of_listed_facts(run: Run, plan: Plan) -> None:
    """Every deviation of the plan is of a fact that production has, as it is there, and expects something else."""
    survey = run.records(Survey)
    wrong = likeness.wrong_deviations(plan.deviation, {**survey.facts, **likeness.of_dependencies(survey)})
    must_be_none(
        "the plan's deviations",
        expected="listed facts, with production's own value",
        found=wrong,
        remedy="correct them in the plan; `facts` in the run's records/survey.json lists every fact",
    )
