"""``batchmill validate``: every problem of a document at once, and nothing is run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.json_text import as_json
from batchmill.errors import InvalidDocument
from batchmill.graph.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry

SCHEMA = "batchmill.validation/1"


@click.command("validate", short_help="Check a document and report every problem in it.")
@options.document
@options.json_flag("Print the verdict as one JSON object.")
def command(file: str, json_wanted: bool) -> int:
    """Check the workflow document FILE and report every problem with its path, line and column.

    Nothing is run and no code of the document is imported.
    """
    try:
        check(load(file), default_registry())
    except InvalidDocument as error:
        if not json_wanted:
            raise
        click.echo(as_json(_verdict(file, error), 2))
        return Exit.INVALID
    click.echo(as_json(_verdict(file, None), 2) if json_wanted else f"{file}: valid")
    return Exit.SUCCESS


def _verdict(file: str, error: InvalidDocument | None) -> dict[str, Any]:
    problems = error.problems if error is not None else ()
    return {
        "schema": SCHEMA,
        "source": file,
        "valid": error is None,
        "problems": [asdict(problem) for problem in problems],
    }
