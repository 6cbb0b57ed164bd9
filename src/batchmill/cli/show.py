"""``batchmill show``: what a run did, its errors, or one of its items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.faults import error_details
from batchmill.cli.runs import as_json
from batchmill.cli.streams import DataStream, data_only
from batchmill.errors import UnknownRun
from batchmill.events.words import seconds, shortened
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import LAST, Journal
from batchmill.journal.reading import ItemRecord, Reader, VisitRecord

MOST_ERRORS = 1000  # lines of errors without --json; who wants more reads JSON


@click.command("show", short_help="Show what a run did, or one of its items.")
@click.argument("run", default=LAST)
@click.option("--item", type=click.IntRange(0), metavar="N", help="Show the item at position N, from 0.")
@click.option("--node", metavar="ID", help="Of this node; else of the only batch node, or of the last one.")
@click.option("--errors", is_flag=True, help="Show the items that failed.")
@options.journal
@options.json_flag("Print JSON.")
def command(
    run: str, item: int | None, node: str | None, errors: bool, journal_path: str, json_wanted: bool
) -> int:
    """Show what RUN did: its name, the beginning of it, or `last`."""
    with Reader(Journal(journal_path)) as reader, data_only() as data:
        found = reader.run(run)
        visits = reader.visits(found)
        if item is not None:
            _show_item(reader, visit_of(visits, node), item, data, json_wanted)
        elif errors:
            _show_errors(reader, visits, node, data, json_wanted)
        else:
            _show_run(reader, found, visits, data, json_wanted)
    return 0


def visit_of(visits: list[VisitRecord], node: str | None) -> VisitRecord:
    """The latest visit of ``node``; without one, that of the last batch node. Raises :class:`UnknownRun`."""
    wanted = [visit for visit in visits if (visit.is_batch if node is None else visit.address == node)]
    if wanted:
        return wanted[-1]
    known = ", ".join(dict.fromkeys(visit.address for visit in visits)) or "none"
    raise UnknownRun(f"the run has no {'batch node' if node is None else f'node {node!r}'}; it has {known}")


def _show_item(reader: Reader, visit: VisitRecord, index: int, data: DataStream, as_text: bool) -> None:
    found = reader.item(visit, index)
    if found is None:
        raise UnknownRun(f"item {index} of {visit.address} has no outcome; {visit.done} items have one")
    data.write_json({"node": visit.address, **found.as_json()}, indent=None if as_text else 2)


def _show_errors(
    reader: Reader, visits: list[VisitRecord], node: str | None, data: DataStream, as_list: bool
) -> None:
    wanted = [visit for visit in visits if visit.failed and node in (None, visit.address)]
    every = ((visit, one) for visit in wanted for one in reader.items(visit, failed_only=True))
    if as_list:
        for piece in _json_list({"node": visit.address, **one.as_json()} for visit, one in every):
            data.write(piece)
        return
    for visit, one in islice(every, MOST_ERRORS):
        data.write_line(_error_line(visit, one))


def _json_list(values: Iterator[Any]) -> Iterator[str]:
    yield "["
    for number, value in enumerate(values):
        yield (", " if number else "") + json.dumps(value)
    yield "]\n"


def _error_line(visit: VisitRecord, one: ItemRecord) -> str:
    error = one.error or {}
    where = f"{visit.address}[{one.index}]" if visit.is_batch else visit.address
    return f"{where}: {error.get('type')}: {shortened(str(error.get('message')), 200)}{error_details(error)}"


def _show_run(
    reader: Reader, run: RunRecord, visits: list[VisitRecord], data: DataStream, as_object: bool
) -> None:
    if as_object:
        nodes = [
            {
                "node": visit.address,
                "batch": visit.is_batch,
                "total": visit.total,
                "done": visit.done,
                "failed": visit.failed,
                "wall": round(visit.wall, 6),
            }
            for visit in visits
        ]
        data.write_json({**as_json(run), "nodes": nodes})
        return
    again = f", begun {run.passes} times" if run.passes > 1 else ""
    wall = f" in {seconds(run.wall)}" if run.wall is not None else ""
    data.write_line(f"run {run.name}: {run.status}{wall}{again}")
    data.write_line(f"document {run.source}")
    for visit in visits:
        data.write_line(f"  {visit.address}: {_counts(visit)}")


def _counts(visit: VisitRecord) -> str:
    if not visit.is_batch:
        return f"{'failed' if visit.failed else 'done'} in {seconds(visit.wall)}"
    every = "" if visit.total is None else f" of {visit.total:,}"
    failed = f", {visit.failed:,} failed" if visit.failed else ""
    return f"{visit.done:,}{every} items done{failed}, {seconds(visit.wall)} of work"
