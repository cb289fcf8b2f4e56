"""How commands end: exit statuses, and what an error prints.

0 is done; 1 the run failed on the way; 2 the recipe, the command line, the data or the environment
is wrong, which was known before it began; 128 and the signal's number where one stopped it: 130 for
Ctrl-C, 143 for SIGTERM, 129 for SIGHUP. Every command is stopped by those, whatever it does: what
it was writing is not there then, and a line says so.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import click

from data_tools.printable import printable_lines
from supcon_ext.cli.voice import fall_silent, has_the_word
from supcon_ext.interrupt import PATIENCE, stop_requests

FAILED = 1
WRONG_INPUT = 2
_LONGEST = 500


class WrongInputError(click.ClickException):
    """Something that the user wrote is wrong; the message is printed as it is."""

    exit_code = WRONG_INPUT

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on standard error."""
        click.echo(printable_lines(self.message), file=file, err=True)


@contextmanager
def user_input() -> Iterator[None]:
    """What raises ``ValueError`` or ``OSError`` in here is the user's mistake, not the program's.

    Raises:
        WrongInputError: In place of either.
    """
    try:
        yield
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise WrongInputError(f"{error.strerror or error}{place}"[:_LONGEST]) from error
    except ValueError as error:
        raise WrongInputError(str(error)) from error


class CommandLine(click.Group):
    """A group whose commands never show a traceback that nobody asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn what it raises into an exit status."""
        if os.getcwd() not in sys.path:  # as `python -m` has it: plugins beside the recipe
            sys.path.append(os.getcwd())
        fall_silent()
        asked: int | None = None
        try:
            with stop_requests(PATIENCE) as stop:
                try:
                    made = super().invoke(ctx)
                    stop.raise_if_asked()  # also where what it came amid could not be broken off
                    return made
                finally:
                    asked = stop.number
        except click.exceptions.Exit:
            raise
        except click.ClickException as error:
            if asked is None or not _made_of(asked, error):
                raise
            _stopped(ctx, asked)
        except click.Abort:
            if asked is None:
                raise
            _stopped(ctx, asked)  # amid a question
        except KeyboardInterrupt as error:
            told = _is(error, "supcon_ext.interrupt", "Interrupted")
            click.echo(f"Stopped: {error}" if told else "Stopped.", err=True)
            ctx.exit(128 + getattr(error, "number", signal.SIGINT))
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if asked is not None and _made_of(asked, error):
                _stopped(ctx, asked)
            if _is(error, "supcon_ext.recipe.problems", "RecipeError") or _is(
                error, "supcon_ext.experiment.cannot_start", "CannotStart"
            ):
                raise WrongInputError(str(error)) from error
            if has_the_word():
                _tell(error, bool(ctx.params.get("debug")))
            ctx.exit(FAILED)


def _stopped(ctx: click.Context, number: int) -> NoReturn:
    click.echo(f"Stopped: {signal.Signals(number).name}", err=True)
    ctx.exit(128 + number)


def _made_of(number: int, error: BaseException) -> bool:
    """Whether an error is what a library made of a signal's exception, as pydantic does amid dumps.

    Such a library keeps the text alone, and not what it was raised from.
    """
    return f"Interrupted: {signal.Signals(number).name}" in str(error)


def _is(error: BaseException, module: str, name: str) -> bool:
    """Whether an error is of a class whose module is loaded only if it was raised."""
    return module in sys.modules and isinstance(error, getattr(sys.modules[module], name))


def _tell(error: Exception, debug: bool) -> None:
    """One line on what happened, and where the traceback is."""
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        return
    explained = isinstance(error, (ValueError, OSError, ImportError))
    message = str(error) if explained and str(error) else f"{type(error).__name__}: {error}"
    click.echo(printable_lines(f"Failed: {message}"), err=True)
    notes = getattr(error, "__notes__", [])
    click.echo("\n".join(notes) or "To see the traceback: supcon --debug ...", err=True)
