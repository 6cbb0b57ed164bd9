"""The object that a command prints with ``--json`` if an error ends it: the message on stderr, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import click

from batchmill.errors import InvalidDocument, Problem, StorageError

SCHEMA = "batchmill.error/1"
OF_RUNS = ("run", "resume")
"""Commands whose error has the keys of a run, so that one reader suits both."""
OF_NO_ITEM = {"node": None, "index": None, "item": None, "attempts": 0, "kind": "exception", "traceback": ""}


def json_form(command: click.Command, words: Sequence[str]) -> str | None:
    """The schema of the object that a call of ``command`` with these arguments prints if it fails; None if
    its output is not one object: without ``--json``, and for ``map``, which prints a line for each item."""
    own = words[: words.index("--")] if "--" in words else words
    flags = [param for param in command.params if param.name == "json_wanted"]
    if not flags or "--json" not in own or command.name == "map":
        return None
    if command.name not in OF_RUNS or "--dry-run" in own:
        return SCHEMA
    from batchmill.journal.contract import RUN_SCHEMA  # not for --help

    return RUN_SCHEMA


def print_fault(error: BaseException, schema: str, hide: Callable[[str], str]) -> None:
    """Print the object, without what ``hide`` takes out. A closed stdout is not another error."""
    from batchmill.cli.json_text import as_json  # not for --help
    from batchmill.cli.streams import print_data

    with suppress(StorageError):
        print_data(as_json(_object(error, schema, hide)))


def _object(error: BaseException, schema: str, hide: Callable[[str], str]) -> dict[str, Any]:
    warned = error.warnings if isinstance(error, InvalidDocument) else ()
    errors = [_hidden(one, hide) for one in _entries(error)]
    warnings = [_hidden(one.as_json(), hide) for one in warned]
    if schema == SCHEMA:
        return {"schema": schema, "errors": errors, "warnings": warnings}
    from batchmill.runs.result import RunResult  # not for --help

    failed = RunResult("", "failed", errors=[{**OF_NO_ITEM, **one} for one in errors], warnings=warnings)
    return {**failed.as_object(), "run": None}


def _hidden(entry: dict[str, Any], hide: Callable[[str], str]) -> dict[str, Any]:
    return {key: hide(one) if isinstance(one, str) else one for key, one in entry.items()}


def _entries(error: BaseException) -> Iterator[dict[str, Any]]:
    """An entry for each problem of a document, and one for any other error."""
    if isinstance(error, InvalidDocument):
        for problem in error.problems:
            yield {"type": type(error).__name__, "message": str(problem), **_place(problem, error.source)}
    elif isinstance(error, click.ClickException):
        yield {"type": click.UsageError.__name__, "message": error.format_message()}
    else:
        yield {"type": type(error).__name__, "message": str(error) or type(error).__name__}


def _place(problem: Problem, source: str) -> dict[str, Any]:
    where = {"path": problem.path, "line": problem.line, "column": problem.column}
    return {**where, "hint": problem.hint, "source": problem.source or source}
