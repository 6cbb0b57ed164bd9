"""``batchmill runs``: the runs in the journal."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.streams import data_only
from batchmill.events.words import seconds
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader


@click.command("runs", short_help="List the runs in the journal.")
@options.journal
@options.json_flag("Print the runs as a JSON list.")
def command(journal_path: str, json_wanted: bool) -> int:
    """List the runs in the journal, the latest first."""
    with Reader(Journal(journal_path)) as reader:
        found = reader.runs()
    with data_only() as data:
        if json_wanted:
            data.write_json([as_json(run) for run in found])
        else:
            for run in found:
                data.write_line(_line(run))
    return 0


def as_json(run: RunRecord) -> dict[str, Any]:
    """A run as ``runs`` and ``show`` print it."""
    names = ("status", "passes", "started_at", "finished_at", "wall", "source", "folder", "inputs")
    return {"run": run.name, **{name: getattr(run, name) for name in names}}


def _line(run: RunRecord) -> str:
    began = datetime.fromtimestamp(run.started_at).strftime("%Y-%m-%d %H:%M:%S")
    wall = seconds(run.wall) if run.wall is not None else "-"
    return f"{run.name}  {began}  {run.status:<11}  {wall:>12}  {os.path.basename(run.source)}"
