"""``batchmill runs``: the runs in the journal."""

from __future__ import annotations

from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.journals import Journals
from batchmill.cli.streams import data_only
from batchmill.cli.titles import moment, title
from batchmill.journal.contract import RunRecord
from batchmill.values.words import seconds


@click.command("runs", short_help="List the runs in the journal.")
@options.journal
@options.json_flag("Print the runs as a JSON list.")
def command(journal_path: str | None, json_wanted: bool) -> int:
    """List the runs in the journal, the latest first: those of documents run in this folder, and those of
    `map` for it."""
    with Journals(journal_path) as journals:
        found = [one.run for one in journals.runs()]
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
    fields = {name: getattr(run, name) for name in names}
    return {"run": run.name, "title": title(run), **fields, "limit": run.limit}


def _line(run: RunRecord) -> str:
    wall = seconds(run.wall) if run.wall is not None else "-"
    return f"{run.name}  {moment(run.started_at)}  {run.status:<11}  {wall:>12}  {title(run)}"
