"""Exit codes of the command line."""

from fixtures.errors import CouldNotVerify, GonogoError, PlanError
from fixtures.run.evidence import Verdict
from steps.engine.executor import GateClosed
from steps.engine.lock import Locked
from steps.engine.replan import PlanChanged

DONE, FAILED, USAGE, NO_GO, LOCKED, PLAN_CHANGED, BACKED_OUT, COULD_NOT_VERIFY, INTERRUPTED = (
    0, 1, 2, 10, 11, 12, 13, 14, 130,
)  # fmt: skip
SIGNALLED = 128
"""Added to the number of the signal that ended a command."""


def exit_code(error: GonogoError) -> int:
    """The exit code that an error ends a command with."""
    match error:
        case GateClosed():
            return NO_GO if error.result.verdict is Verdict.NO_GO else COULD_NOT_VERIFY
        case Locked():
            return LOCKED
        case PlanChanged():
            return PLAN_CHANGED
        case PlanError():
            return USAGE
        case CouldNotVerify():
            return COULD_NOT_VERIFY
        case _:
            return FAILED
