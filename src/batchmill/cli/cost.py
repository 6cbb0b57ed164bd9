"""``batchmill cost``: what the calls of a run used and cost, by node and model."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.journals import Journals
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.errors import StorageError
from batchmill.journal.journal import LAST
from batchmill.record.ledger import LedgerEntry, added, ledger, total
from batchmill.values import from_json
from batchmill.values.words import count, spending

HEAD = ("node", "model", "calls", "input", "cached", "output", "USD")
Calls = Iterable[tuple[int, dict[str, Any]]]


@click.command("cost", short_help="Show what the calls of a run used and cost.")
@click.argument("run", default=LAST)
@options.journal
@options.json_flag("Print the ledger as JSON.")
def command(run: str, journal_path: str | None, json_wanted: bool) -> int:
    """Add up the language model calls of all passes of RUN by node and model.

    A call without usage counts as an estimate.

    RUN is a run of the journal (its id or the beginning of it, its name, or `last`), a file with the
    output of `batchmill run --json`, or `-` for standard input.
    """
    if run == "-" or Path(run).is_file():
        passes = _by_pass((1, call) for call in calls_in(run))
    else:
        with Journals(journal_path) as journals:
            reader, found, _ = journals.run(run)
            passes = _by_pass(reader.calls(found))
    entries = added([entry for part in passes.values() for entry in part])
    if json_wanted:
        sums = [{"pass": number, **_sum(part)} for number, part in passes.items()]
        whole = {
            "entries": [entry.as_json() for entry in entries],
            "passes": sums if len(sums) > 1 else [],
            "total": total(entries).as_json(),
        }
        print_data(as_json(whole, 2))
    else:
        print_data("\n".join([*_table(entries), *_lines(passes)]))
    return Exit.SUCCESS


def _by_pass(calls: Calls) -> dict[int, list[LedgerEntry]]:
    """The entries of each pass, by its number."""
    found: dict[int, list[LedgerEntry]] = {}
    for number, group in groupby(calls, key=itemgetter(0)):
        found[number] = added([*found.get(number, ()), *ledger(call for _, call in group)])
    return dict(sorted(found.items()))


def _sum(entries: list[LedgerEntry]) -> dict[str, Any]:
    told = total(entries).as_json()
    return {name: told[name] for name in ("calls", "tokens", "cost")}


def _lines(passes: dict[int, list[LedgerEntry]]) -> list[str]:
    """A line for each pass, if there were several."""
    if len(passes) < 2:
        return []
    return [f"pass {number}: {spending(**_sum(entries))}" for number, entries in passes.items()]


def calls_in(file: str) -> list[dict[str, object]]:
    """The recorded calls of a result. Raises :class:`StorageError` for a file that has none in it."""
    try:
        told = from_json(_stdin() if file == "-" else Path(file).read_text("utf-8"))
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StorageError(
            f"{file} is no JSON: {error}; give the output of `batchmill run --json`"
        ) from error
    calls = told.get("llm_calls") if isinstance(told, dict) else None
    if not isinstance(calls, list):
        raise StorageError(f"{file} has no `llm_calls`; give the output of `batchmill run --json`")
    return [call for call in calls if isinstance(call, dict)]


def _stdin() -> str:
    if sys.stdin is None:
        raise StorageError("standard input is closed: there is nothing to read")
    return sys.stdin.read()


def _table(entries: list[LedgerEntry]) -> list[str]:
    if not entries:
        return ["no calls were recorded"]
    rows = [HEAD, *map(_row, entries), _row(total(entries), "total")]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    whole = total(entries)
    if whole.unpriced:
        lines.append(f"{whole.unpriced:,} without a price: give `prices` in the document")
    if whole.estimated:
        told = f"{whole.estimated:,} did not tell all they used and count as an estimate"
        lines.append(told + (f": {whole.estimated_cost:,f} USD of the sum" if whole.estimated_cost else ""))
    if whole.kept:
        lines.append(f"{count(whole.kept, 'answer')} kept from earlier calls, which cost nothing")
    return lines


def _row(entry: LedgerEntry, name: str | None = None) -> tuple[str, ...]:
    cost = "-" if entry.calls == entry.unpriced and not entry.kept else f"{entry.cost:,f}"
    numbers = (entry.calls, entry.input_tokens, entry.cached_tokens, entry.output_tokens)
    return (name or entry.node, entry.model, *(f"{number:,}" for number in numbers), cost)
