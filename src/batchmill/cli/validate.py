"""``batchmill validate``: report every problem of a document at once, without running anything."""

from __future__ import annotations

from dataclasses import asdict

import click

from batchmill.cli import options
from batchmill.cli.document import document_of
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say, warning_line
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.errors import InvalidDocument, Problem
from batchmill.graph.compile.check import check
from batchmill.nodes.registry import default_registry
from batchmill.values.words import count
from batchmill.warned import Warned

SCHEMA = "batchmill.validation/1"


@click.command("validate", short_help="Check a document and report every problem in it.")
@options.document
@options.json_flag("Print the verdict as one JSON object.")
def command(file: str, json_wanted: bool) -> int:
    """Check the workflow document FILE and report every problem with its path, line and column. Warn of
    what is allowed but probably a mistake.

    Run nothing and import no code of the document.
    """
    try:
        warnings = check(document_of(file), default_registry()).warnings
    except InvalidDocument as error:
        if not json_wanted:
            _tell(error.warnings)
            raise
        print_data(as_json(_verdict(file, error.problems, error.warnings), 2))
        return Exit.INVALID
    if json_wanted:
        print_data(as_json(_verdict(file, (), warnings), 2))
        return Exit.SUCCESS
    _tell(warnings)
    print_data(f"{file}: valid" + (f", {count(len(warnings), 'warning')}" if warnings else ""))
    return Exit.SUCCESS


def _tell(warnings: tuple[Warned, ...]) -> None:
    for warned in warnings:
        say(warning_line(warned))


def _verdict(file: str, problems: tuple[Problem, ...], warnings: tuple[Warned, ...]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "source": file,
        "valid": not problems,
        "problems": [asdict(problem) for problem in problems],
        "warnings": [warned.as_json() for warned in warnings],
    }
