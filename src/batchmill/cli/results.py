"""``batchmill results``: the results of a run's batch node, read out of the journal a page at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import click

from batchmill.cli import options
from batchmill.cli.item_rows import as_shown
from batchmill.cli.journals import Journals
from batchmill.cli.show import visit_of
from batchmill.cli.streams import data_only
from batchmill.cli.titles import is_map
from batchmill.journal.journal import LAST
from batchmill.journal.reading import ItemRecord, Reader, VisitRecord

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell must not begin with: spreadsheets take it for a formula (OWASP, "CSV Injection")."""
COLUMNS_FROM = 1000  # results whose keys make the columns of a table


@click.command("results", short_help="Write the results of a run as JSON, JSON lines or CSV.")
@click.argument("run", default=LAST)
@click.option("--node", metavar="ID", help="Of this node; else of the last batch node.")
@click.option(
    "--format", "form", type=click.Choice(("json", "jsonl", "csv")), default="json", show_default=True
)
@options.journal
def command(run: str, node: str | None, form: str, journal_path: str | None) -> int:
    """Write the results of RUN (its name, the beginning of it, or `last`): one entry per item, in order of
    the items, the node's outputs and `item`. Items without a result are null, in a table they are left out.
    """
    with Journals(journal_path) as journals, data_only() as data:
        reader, found, _ = journals.run(run)
        visit = visit_of(reader.visits(found), node)
        source = _Source(reader, visit, as_shown if is_map(found) else _as_it_is)
        for piece in _csv(source) if form == "csv" else _json(source, lines=form == "jsonl"):
            data.write(piece)
            if data.broken:
                break
    return 0


def _as_it_is(one: ItemRecord) -> ItemRecord:
    return one


class _Source(NamedTuple):
    """Where results are read, and what is made of each before it is written."""

    reader: Reader
    visit: VisitRecord
    shown: Callable[[ItemRecord], ItemRecord]

    def items(self) -> Iterator[ItemRecord]:
        return map(self.shown, self.reader.items(self.visit))

    def first(self) -> Iterator[ItemRecord]:
        return map(self.shown, self.reader.part(self.visit, 0, COLUMNS_FROM))


def _json(source: _Source, *, lines: bool) -> Iterator[str]:
    first, between, last = ("", "\n", "\n") if lines else ("[", ",\n", "]\n")
    yield first
    number = -1
    for number, entry in enumerate(_aligned(source.items(), source.visit.total)):
        yield (between if number else "") + json.dumps(entry, ensure_ascii=False)
    yield last if number >= 0 or not lines else ""


def _aligned(items: Iterable[ItemRecord], total: int | None) -> Iterator[Any]:
    """An entry for every item, null for those without a result."""
    place = 0
    for one in items:
        yield from [None] * (one.index - place)
        yield entry_of(one) if one.state != "failed" else None
        place = one.index + 1
    yield from [None] * ((total or 0) - place)


def entry_of(one: ItemRecord) -> Any:
    """What stands in ``results`` for an item."""
    return {**one.value, "item": one.item} if isinstance(one.value, dict) else one.value


def _csv(source: _Source) -> Iterator[str]:
    """A table: the keys of the first results are its columns, later keys of others go into no column."""
    columns: dict[str, None] = {"index": None}
    for one in source.first():
        columns.update(dict.fromkeys(_flat(one)))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in columns])
    for one in source.items():
        if one.state == "failed":
            continue
        row = _flat(one)
        writer.writerow([_cell(row.get(name)) for name in columns])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _flat(one: ItemRecord) -> dict[str, Any]:
    if one.state == "failed":
        return {}
    value = one.value if isinstance(one.value, dict) else {"value": one.value}
    item = {f"item.{name}": part for name, part in one.item.items()} if isinstance(one.item, dict) else None
    return {"index": one.index, **value, **(item if item is not None else {"item": one.item})}


def _cell(value: Any) -> Any:
    """A value as a cell: numbers as they are, text that looks like a formula behind an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text
