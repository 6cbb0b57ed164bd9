"""``batchmill results``: the results of a run's batch node, read out of the journal a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import click

from batchmill.batch.results.csv_table import csv_table
from batchmill.cli import options
from batchmill.cli.item_rows import as_shown
from batchmill.cli.items_again import ItemsAgain
from batchmill.cli.journals import Journals
from batchmill.cli.json_text import as_json
from batchmill.cli.show import visit_of
from batchmill.cli.streams import data_only
from batchmill.cli.titles import is_map
from batchmill.journal.journal import LAST
from batchmill.journal.reading import Reader
from batchmill.journal.records import ItemRecord, VisitRecord

_WITHOUT_RESULT = ("failed", "skipped")  # states of items


@click.command("results", short_help="Write the results of a run as JSON, JSON lines or CSV.")
@click.argument("run", default=LAST)
@click.option("--node", metavar="ID", help="The node to take results of, by default the last batch node.")
@click.option(
    "--format", "form", type=click.Choice(("json", "jsonl", "csv")), default="json", show_default=True
)
@click.option(
    "--safe-for-spreadsheets",
    "safe",
    is_flag=True,
    help="In a table, put an apostrophe before text that a spreadsheet would read as a formula.",
)
@options.journal
def command(run: str, node: str | None, form: str, safe: bool, journal_path: str | None) -> int:
    """Write the results of RUN (its id or the beginning of it, its name, or `last`): one
    entry per item, in the order of the items, with the node's outputs and `item`. Items without a result are
    null, or left out in a table.

    A table has the column `index`, the item's position, and one for every key of every result. null is an
    empty cell, an empty text is "".
    """
    if safe and form != "csv":
        raise click.UsageError("--safe-for-spreadsheets is for --format csv")
    with Journals(journal_path) as journals, data_only() as data:
        reader, found, _ = journals.run(run)
        visit = visit_of(reader.visits(found), node)
        source = _Source(reader, visit, as_shown if is_map(found) else ItemsAgain(reader, visit).completed)
        for piece in source.table(safe=safe) if form == "csv" else _json(source, lines=form == "jsonl"):
            data.write(piece)
            if data.broken:
                break
    return 0


class _Source(NamedTuple):
    """The source of the results, and the conversion of each before it is written."""

    reader: Reader
    visit: VisitRecord
    shown: Callable[[ItemRecord], ItemRecord]

    def items(self) -> Iterator[ItemRecord]:
        return map(self.shown, self.reader.items(self.visit))

    def table(self, *, safe: bool) -> Iterator[str]:
        return csv_table(self.rows, safe=safe, first=("index",))

    def rows(self) -> Iterator[dict[str, object]]:
        """The results as the rows of a table."""
        return (_flat(one) for one in self.items() if one.state not in _WITHOUT_RESULT)


def _json(source: _Source, *, lines: bool) -> Iterator[str]:
    first, between, last = ("", "\n", "\n") if lines else ("[", ",\n", "]\n")
    yield first
    number = -1
    for number, entry in enumerate(_aligned(source.items(), source.visit.total)):
        yield (between if number else "") + as_json(entry)
    yield last if number >= 0 or not lines else ""


def _aligned(items: Iterable[ItemRecord], total: int | None) -> Iterator[object]:
    """An entry for every item, null for those without a result."""
    place = 0
    for one in items:
        yield from [None] * (one.index - place)
        yield entry_of(one) if one.state not in _WITHOUT_RESULT else None
        place = one.index + 1
    yield from [None] * ((total or 0) - place)


def entry_of(one: ItemRecord) -> object:
    """The entry of an item in ``results``."""
    return {**one.value, "item": one.item} if isinstance(one.value, dict) else one.value


def _flat(one: ItemRecord) -> dict[str, object]:
    """The row of a result: its position, its outputs, the item or the item's own keys."""
    value = one.value if isinstance(one.value, dict) else {"value": one.value}
    item = {f"item.{name}": part for name, part in one.item.items()} if isinstance(one.item, dict) else None
    return {"index": one.index, **value, **(item if item is not None else {"item": one.item})}
