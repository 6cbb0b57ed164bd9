"""Error reports of the command: what, where, what to do; a traceback only on request."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Any

import click

from batchmill.cli.exits import is_expected, of_error
from batchmill.cli.streams import colour
from batchmill.errors import InvalidDocument, Problem, StorageError
from batchmill.file_table import NO_FOLDER, folder_is_gone, lacks_folder
from batchmill.values.tracebacks import at_own_line
from batchmill.warned import Warned

_NO_CHOICE = re.compile(r"'(.+)' is not one of")


class HelpInstead(click.ClickException):
    """Raised when no command is given; the message is the help."""

    exit_code = 2


def say(text: str) -> None:
    """Write a message to stderr. A closed stderr is not an error."""
    try:
        click.echo(text, err=True, color=colour(os.environ))
    except OSError:
        pass  # there is no other place to complain


def named(error: BaseException) -> BaseException:
    """The error, or one with words for the system's error that the working folder is gone."""
    if lacks_folder(error):
        told = StorageError(NO_FOLDER)
        told.__cause__ = error
        return told
    return error


def complain(error: BaseException, verbose: bool, hide: Callable[[str], str] = str) -> int:
    """Report ``error`` on stderr, without what ``hide`` takes out, and return the exit code that goes with
    it."""
    if isinstance(error, HelpInstead):
        say(error.message)
        return error.exit_code
    if isinstance(error, click.ClickException):
        say(_usage_error(error))
        return error.exit_code
    if verbose:
        say(hide("".join(traceback.format_exception(error)).rstrip()))
    say(hide(_described(error)))
    if str(error) != NO_FOLDER and folder_is_gone():
        say(f"note: {NO_FOLDER}")
    return of_error(error)


def _usage_error(error: click.ClickException) -> str:
    lines = [f"{_label()} {error.format_message()}{_meant(error)}"]
    if isinstance(error, click.UsageError) and error.ctx is not None:
        lines.append(f"try: {error.ctx.command_path} --help")
    return "\n".join(lines)


def _meant(error: click.ClickException) -> str:
    """The choice that is nearest to a value which is none."""
    choices = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    found = _NO_CHOICE.search(error.message)
    if not isinstance(choices, click.Choice) or found is None:
        return ""
    from difflib import get_close_matches  # needed on a mistake only

    close = get_close_matches(found[1], list(map(str, choices.choices)), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _described(error: BaseException) -> str:
    if isinstance(error, InvalidDocument):
        return "\n".join([_headline(error), *(f"  {_one(problem)}" for problem in error.problems)])
    if isinstance(error, KeyboardInterrupt):
        return f"{_label()} interrupted"
    if not is_expected(error):
        return (
            f"{_label()} {type(error).__name__}: {error}\n"
            "this is a fault in batchmill: please report it with the traceback that -v shows"
        )
    return f"{_label()} {error}"


def _headline(error: InvalidDocument) -> str:
    number = len(error.problems)
    return f"{_label()} {error.source} has {number} problem{'s' if number != 1 else ''}, nothing ran"


def _one(problem: Problem) -> str:
    where = problem.place.replace(problem.path, click.style(problem.path, bold=True), 1)
    return f"{where}: {problem.message}" + (f"; {problem.hint}" if problem.hint else "")


def warning_line(warned: Warned) -> str:
    """A warning in one line."""
    return f"{click.style('warning:', fg='yellow', bold=True)} {warned}"


def _label() -> str:
    return click.style("error:", fg="red", bold=True)


def error_details(error: Mapping[str, Any]) -> str:
    """The details of an item's error, to append to its message: the line of the user's code, and, on lines
    of their own, the traceback and the output until then."""
    text = str(error.get("traceback") or "")
    told = at_own_line(text)
    if text:
        told += "\n" + indent(text.rstrip(), "  ")
    outputs = error.get("outputs") or {}
    for name in ("stdout", "stderr"):
        if isinstance(printed := outputs.get(name), str) and printed.strip():
            told += f"\n  {name}:\n" + indent(printed.rstrip(), "    ")
    return told
