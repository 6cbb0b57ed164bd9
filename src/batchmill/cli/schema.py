"""``batchmill schema``: the JSON Schema of documents, on stdout."""

from __future__ import annotations

import click

from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.ir.schema import json_schema


@click.command("schema", short_help="Print the JSON Schema of documents.")
def command() -> None:
    """Print the JSON Schema of documents, for editors and other tools."""
    print_data(as_json(json_schema(), indent=2))
