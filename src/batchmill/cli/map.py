"""``batchmill map``: one command over many items, without a document."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.caller import Caller
from batchmill.cli.fulfil import Request, fulfil
from batchmill.cli.item_command import command_of
from batchmill.cli.item_printer import ItemsWanted
from batchmill.cli.item_source import source_of
from batchmill.cli.journals import working_folder
from batchmill.cli.titles import MAP
from batchmill.events.progress import ProgressKind
from batchmill.executors.choose import KINDS
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.places import own_map_journal
from batchmill.runs.journaled import begun, nothing_kept
from batchmill.runs.result import RunResult
from batchmill.runs.run import execute, ordered
from batchmill.runs.settings import RunSettings

NODE = "map"
SOURCE = "batchmill map"  # what the journal calls the document


class _Seconds(click.FloatRange):
    """Seconds more than 0."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)


@click.command("map", short_help="Run one command over many items, without a document.")
@click.option("--items", "source", required=True, metavar="SOURCE", help="Where the items come from.")
@click.option("--executor", type=click.Choice(tuple(KINDS)), default="thread", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1, options.MOST_JOBS), metavar="N", help="Items in flight.")
@click.option(
    "--retries", type=click.IntRange(0, 9), default=0, metavar="N", help="More attempts after a failure."
)
@click.option(
    "--retry-wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Before each of them."
)
@click.option("--timeout", type=_Seconds(), metavar="SECONDS", help="For one attempt of one item.")
@click.option(
    "--on-error",
    type=click.Choice(("continue", "fail")),
    default="continue",
    show_default=True,
    help="Whether a failed item ends the others.",
)
@click.option("--collect", metavar="FILE", help="Write results as JSON lines to FILE, not to stdout.")
@options.keeping
@options.json_flag("Print each result as one line of JSON.")
@options.talk
@click.argument("command_words", nargs=-1, required=True, metavar="-- COMMAND...", type=click.UNPROCESSED)
@click.pass_obj
def command(
    caller: Caller,
    source: str,
    executor: str,
    jobs: int | None,
    retries: int,
    retry_wait: float,
    timeout: float | None,
    on_error: str,
    collect: str | None,
    journal_path: str | None,
    no_journal: bool,
    durable: bool,
    name: str | None,
    json_wanted: bool,
    progress: ProgressKind,
    quiet: bool,
    verbose: bool,
    command_words: tuple[str, ...],
) -> int:
    """Run COMMAND for every item; what each run prints comes in the order of the items.

    SOURCE is a pattern of file names, @FILE for the lines of a file (values and rows of .jsonl and .csv
    files), - for those of standard input, range:START:STOP, or a list or source in JSON. In COMMAND {} is the
    item and {item.key} a part of it; without either the item comes last. One word is a line for the shell,
    which is handed the item and never runs it.
    """
    caller.verbose = verbose
    batch: dict[str, Any] = {
        "items": source_of(source),
        "executor": executor,
        "max_retries": 1 + retries,
        "retry_wait": retry_wait,
        "error_handling": "continue" if on_error == "continue" else "fail_fast",
        "collect": "none" if collect is None else {"jsonl": collect},
    }
    batch.update({"max_concurrent": jobs} if jobs and executor != "sequential" else {})
    batch.update({"timeout": timeout} if timeout is not None else {})
    params = {"command": command_of(command_words), "strip_newline": False}
    node = {"id": NODE, "type": "shell", "params": params, "batch": batch}
    items = ItemsWanted(NODE, json_wanted, collect is None, quiet)
    journal = options.kept_in(journal_path, no_journal, durable, partial(own_map_journal, working_folder()))
    told = {
        **options.remembered(name, json_wanted, progress),
        MAP: {"items": [source], "words": list(command_words)},
    }
    begin = partial(_begin, {"nodes": [node]}, journal, told)
    return fulfil(Request(begin, journal, json_wanted, progress, quiet, verbose, items), caller)


def _begin(
    document: dict[str, Any], journal: Journal | None, told: dict[str, Any], **shared: Any
) -> RunResult:
    order = replace(ordered(document, None, None, RunSettings(remembered=told)), source=SOURCE)
    return execute(order, nothing_kept if journal is None else partial(begun, journal, order), **shared)


def items_of(run: RunRecord, quiet: bool, as_json: bool) -> ItemsWanted | None:
    """What a run prints item by item when it is resumed; None for one that this command did not begin."""
    if run.source != SOURCE:
        return None
    (node,) = run.document["nodes"]
    return ItemsWanted(NODE, as_json, node["batch"]["collect"] == "none", quiet)
