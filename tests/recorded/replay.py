"""A check judged in this process by what a gate read: no host is asked, and no pytest session is begun."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from checks import conftest
from fixtures.errors import NoGo
from fixtures.facts.wanted import wanted_by
from fixtures.plan import Plan
from fixtures.plugin import handed, parameters
from fixtures.plugin.gathering import Gathering
from fixtures.plugin.recorded import Recorded
from fixtures.run import evidence
from fixtures.run.evidence import Verdict
from fixtures.run.readings import Reading
from fixtures.run.records import Survey
from fixtures.run.run import Run

CHECKS = Path(conftest.__file__).parent
LIVE = {"source", "target", "source_db", "target_db", "dns", "cloud", "web", "connections"}
"""What a check is handed to ask in its body: no reading stands for that."""


class Noting(Recorded):
    """Readings in the place of hosts, that notes which of them were wanted, in the order in which they were."""

    def __init__(self, plan: Plan, run: Run, readings: Sequence[Reading]) -> None:
        super().__init__(plan, run, readings)
        self.wanted: list[tuple[str, str]] = []

    def answer(self, connection: Any, fact: Any) -> Any:
        self.wanted.append((connection, fact.key))
        return super().answer(connection, fact)


@dataclass(frozen=True)
class Judged:
    """What a check said, and what it wanted to know for that."""

    verdict: Verdict
    error: str
    wanted: list[tuple[str, str]]


@cache
def functions() -> dict[str, Callable[..., None]]:
    """Every check function, by its file and name as pytest has them: `checks/check_ttl.py::check_ttl_is_short`."""
    found: dict[str, Callable[..., None]] = {}
    for path in sorted(CHECKS.glob("check_*.py")):
        module = importlib.import_module(f"checks.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("check_") and function.__module__ == module.__name__:
                found[f"checks/{path.name}::{name}"] = function
    return found


def asks_in_its_body(function: Callable[..., None]) -> bool:
    """Whether a check is handed a connection, itself or by what it is handed otherwise."""
    module = inspect.getmodule(function)
    names = [name for name in inspect.signature(function).parameters if name not in wanted_by(function)]
    return any(_needs_a_connection(name, module) for name in names)


def _needs_a_connection(name: str, module: ModuleType | None) -> bool:
    if name in LIVE:
        return True
    made_by = _fixture(name, module)
    # `plan` and `run` come of the connections, but ask nobody.
    if made_by is None or name in {"plan", "run"}:
        return False
    return any(_needs_a_connection(other, module) for other in inspect.signature(made_by).parameters)


def judge(
    function: Callable[..., None], given: Mapping[str, str], moment: datetime, plan: Plan, run: Run,
    readings: Sequence[Reading],
) -> Judged:  # fmt: skip
    """Call a check as the plugin does, with the values of its parameters and the values of the facts that it wants.

    `given` names the values of parameters as reports do.
    """
    recorded = Noting(plan, run, readings)
    with _at(moment):
        try:
            params = _values(function, given, plan, run)
            item: Any = SimpleNamespace(
                nodeid=function.__name__, function=function, callspec=SimpleNamespace(params=params)
            )
            gathering = Gathering(recorded)
            gathering.begin([item])
            arguments = _handed(function, params, recorded)
        except Exception as error:  # as pytest has it: a check that is not called has not failed
            return Judged(Verdict.COULD_NOT_VERIFY, _words(error), recorded.wanted)
        try:
            function(**arguments, **gathering.values(item))
        except (NoGo, AssertionError, pytest.fail.Exception) as error:
            return Judged(Verdict.NO_GO, _words(error), recorded.wanted)
        except Exception as error:
            return Judged(Verdict.COULD_NOT_VERIFY, _words(error), recorded.wanted)
    return Judged(Verdict.GO, "", recorded.wanted)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _values(function: Callable[..., None], given: Mapping[str, str], plan: Plan, run: Run) -> dict[str, Any]:
    """What pytest would parametrize the check with, where that is shown as `given` says."""
    survey = run.records(Survey) if run.has(Survey) else None
    known: dict[str, Sequence[object]] = dict(parameters.values(plan, survey))
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            known[mark.args[0]] = mark.args[1]
    found = {}
    for name, shown in given.items():
        # Of what only a survey can tell the values are texts.
        found[name] = next((one for one in known[name] if parameters.shown(one) == shown), shown)
    return found


def _handed(function: Callable[..., None], params: Mapping[str, Any], recorded: Recorded) -> dict[str, Any]:
    """What fixtures hand to the check."""
    module = inspect.getmodule(function)

    def value(name: str) -> Any:
        if name in params:
            return params[name]
        if name == "connections":
            return recorded
        if name == "say":
            return lambda _: None
        if name == "request":
            return SimpleNamespace(getfixturevalue=value)
        made_by = _fixture(name, module)
        if made_by is None:
            raise LookupError(f"nothing hands out {name}")
        return made_by(**{other: value(other) for other in inspect.signature(made_by).parameters})

    wanted = wanted_by(function)
    return {name: value(name) for name in inspect.signature(function).parameters if name not in wanted}


def _fixture(name: str, module: ModuleType | None) -> Callable[..., Any] | None:
    """The function behind a fixture, the nearest one to a module of checks."""
    for place in (module, conftest, handed):
        made_by: Callable[..., Any] | None = getattr(getattr(place, name, None), "__wrapped__", None)
        if made_by is not None:
            return made_by
    return None


@contextmanager
def _at(moment: datetime) -> Iterator[None]:
    """Have the present be a moment, as while a gate is judged again."""
    evidence.judge_at(moment)
    try:
        yield
    finally:
        evidence._judged_at.pop()
