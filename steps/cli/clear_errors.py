"""How a command ends: gonogo's errors become a message and an exit code; nobody reads a traceback at 2 a.m."""

from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from fixtures.errors import GonogoError
from steps.cli import exits
from steps.cli.signals import Stopped, ending_alike
from steps.engine.executor import GateClosed, describe
from steps.engine.progress import Progress

P = ParamSpec("P")


def clear_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command of the command line."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with ending_alike():
                command(*args, **kwargs)
        except GonogoError as error:
            stop(error)
        except OSError as error:  # a full disk, a file that another user owns
            stop(of_this_machine(error))
        except Stopped as stopped:
            Progress().say(f"stopped by {stopped}; the same command goes on from here", "yellow")
            raise typer.Exit(exits.SIGNALLED + stopped.signal) from None
        except KeyboardInterrupt:
            Progress().say("interrupted; the same command goes on from here", "yellow")
            raise typer.Exit(exits.INTERRUPTED) from None

    return wrapped


def of_this_machine(error: OSError) -> GonogoError:
    """What the operator's own machine refused, as an error of gonogo."""
    return GonogoError(
        f"this machine: {error.filename or 'a file or connection'}",
        expected="to be read or written",
        found=error.strerror or f"{type(error).__name__}: {error}",
        remedy="mend that (space, owner, permissions), then run the same command again; it goes on from here",
    )


def stop(error: GonogoError, progress: Progress | None = None) -> NoReturn:
    """Say what is wrong, every check that is not go included, and end with the error's exit code."""
    progress = progress or Progress()
    progress.say(str(error), "bold red")
    if isinstance(error, GateClosed):
        for check in error.bad:
            progress.say(describe(check), "red")
    raise typer.Exit(exits.exit_code(error))
