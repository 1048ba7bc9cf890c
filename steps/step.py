"""What a step is: a small function, the states it needs and gives, and what it declares before it may act."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fixtures import states
from fixtures.connect.connections import HANDED_OUT, Connections
from fixtures.errors import GonogoError, nearest
from fixtures.plan import Plan
from fixtures.run.journal import Happened

OPEN_SOURCE = frozenset({"open_source", "open_source_db"})
"""The parameters by which a step is handed production writable."""


@dataclass(frozen=True)
class Step:
    """One step of the migration; `step` says what each of its declarations means."""

    name: str
    meaning: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    function: Callable[..., None]
    resumes: tuple[str, ...] = ()
    once: type[Happened] | None = None
    harmless: bool = False
    destroys: str = ""
    only_with: str = ""
    writes_to_source: str = ""
    unproven: str = ""
    changes_checks: bool = False

    @property
    def handed(self) -> frozenset[str]:
        """The names of what the function is handed; what is proven before it is called follows from them."""
        return frozenset(inspect.signature(self.function).parameters)

    def concerns(self, plan: Plan) -> bool:
        """Whether the plan has what this step is about."""
        return not self.only_with or bool(getattr(plan, self.only_with))

    def run(self, connections: Connections) -> None:
        """Call the function with what its parameters name."""
        self.function(**{name: getattr(connections, name) for name in inspect.signature(self.function).parameters})


def step(
    *,
    needs: list[str],
    gives: list[str],
    resumes: Sequence[str] = (),
    once: type[Happened] | None = None,
    harmless: bool = False,
    destroys: str = "",
    only_with: str = "",
    writes_to_source: str = "",
    unproven: str = "",
    changes_checks: bool = False,
) -> Callable[[Callable[..., None]], Step]:
    """Make a step of a function, whose parameters are names of `HANDED_OUT`.

    `resumes`: what it needs, in the place of `needs`, once the journal holds `once`: from then on it has changed what its needs
    are about, and where it was stopped on its way it goes on.
    `harmless`: when its `gives` gate is already go, the step is skipped and recorded as already true.
    `destroys`: what it destroys, shown before it runs; such a step never runs once the target was opened.
    `only_with`: the part of the plan without which there is nothing to do, as in "redis".
    `writes_to_source`: what it changes on production; without it no step is handed production writable.
    `unproven`: why the target cannot prove its identity yet; only what the cloud shows of the instance is then proven.
    `changes_checks`: what it records decides which checks there are, so they are collected anew after it.

    Raises KeyError for a state that fixtures/states.py does not list, and `GonogoError` for an unknown parameter, or for
    a parameter and a declaration that do not belong together.
    """
    for name in (*needs, *gives, *resumes):
        states.expand(name)

    def make(function: Callable[..., None]) -> Step:
        meaning = (inspect.getdoc(function) or function.__name__).splitlines()[0]
        made = Step(
            function.__name__, meaning, tuple(needs), tuple(gives), function,
            tuple(resumes), once, harmless, destroys, only_with, writes_to_source, unproven, changes_checks,
        )  # fmt: skip
        _refuse_misdeclared(made)
        return made

    return make


def _refuse_misdeclared(step: Step) -> None:
    """Raise `GonogoError` for a step that could not be handed what it names, or would be handed more than it declares."""
    for name in sorted(step.handed - set(HANDED_OUT)):
        raise GonogoError(
            f"the parameter {name} of the step {step.name}",
            expected=f"one of {nearest(name, HANDED_OUT)}",
            found="a name that nothing is handed out by",
            remedy="correct the name, or add a property of that name to fixtures/connect/connections.py",
        )
    names = " and ".join(sorted(step.handed & OPEN_SOURCE))
    if bool(names) != bool(step.writes_to_source):
        raise GonogoError(
            f"the parameter {names} of the step {step.name}" if names else f"the step {step.name}",
            expected="writes_to_source declared by a step that is handed production writable, and by no other",
            found="no writes_to_source" if names else "writes_to_source, and neither open_source nor open_source_db",
            remedy='declare it: @step(..., writes_to_source="what it changes there"); source and source_db only read',
        )
