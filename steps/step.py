"""What a step is: a small function, the states it needs, and the states it gives."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from fixtures import states
from fixtures.connect.connections import Connections
from fixtures.plan import Plan


@dataclass(frozen=True)
class Step:
    """One step of the migration.

    `harmless`: when its `gives` gate is already go, the step is skipped and recorded as already true.
    `destroys`: what it will destroy, said before it runs; such a step is never skipped and never run after the target
    was opened. `only_with`: the part of the plan without which there is nothing to do, as in "redis".
    """

    name: str
    meaning: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    function: Callable[..., None]
    harmless: bool
    destroys: str
    only_with: str = ""

    def concerns(self, plan: Plan) -> bool:
        """Whether the plan has what this step is about."""
        return not self.only_with or bool(getattr(plan, self.only_with))

    def run(self, connections: Connections) -> None:
        """Call the function with the connections that its parameters name."""
        self.function(**{name: getattr(connections, name) for name in inspect.signature(self.function).parameters})


def step(
    *, needs: list[str], gives: list[str], harmless: bool = False, destroys: str = "", only_with: str = ""
) -> Callable[[Callable[..., None]], Step]:
    """Make a step of a function. Its parameters name what it is handed: `plan`, `run`, `source`, `target`,
    `open_source`, `source_db`, `open_source_db`, `target_db`, `dns`, `cloud`, `web`.

    Raises KeyError for a state that fixtures/states.py does not list.
    """  # noqa: D205 - the list of names does not fit one line
    for name in (*needs, *gives):
        states.expand(name)

    def make(function: Callable[..., None]) -> Step:
        meaning = (inspect.getdoc(function) or function.__name__).splitlines()[0]
        return Step(function.__name__, meaning, tuple(needs), tuple(gives), function, harmless, destroys, only_with)

    return make
