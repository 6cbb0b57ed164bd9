"""``batchmill map``: one command over many items, without a document."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from batchmill.cancel import CancelToken
from batchmill.cli import options
from batchmill.cli.caller import Caller
from batchmill.cli.ending import exit_code, last_words
from batchmill.cli.faults import say
from batchmill.cli.interrupts import Interrupts
from batchmill.cli.item_command import command_of
from batchmill.cli.item_source import source_of
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import DataStream, data_only
from batchmill.cli.watching import log_to_stderr, watching
from batchmill.events.progress import ProgressKind
from batchmill.executors.choose import KINDS
from batchmill.outcome import Block
from batchmill.plain import shown
from batchmill.runs.run import run

NODE = "map"
_TOLD = ("stdout", "stderr", "exit_code")


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
    return _run({"nodes": [node]}, _Wanted(json_wanted, collect is None, quiet), progress, verbose)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be printed."""

    as_json: bool
    results: bool
    quiet: bool


def _run(document: dict[str, Any], wanted: _Wanted, progress: ProgressKind, verbose: bool) -> int:
    with data_only() as data:
        stop, cancel = CancelToken(), CancelToken()
        printer = _Printer(data, stop, wanted)
        with (
            log_to_stderr(verbose),
            Interrupts(stop, cancel, say) as interrupts,
            watching(progress, wanted.quiet, verbose) as (listeners, summary),
        ):
            result = run(document, listeners=listeners, stop=stop, cancel=cancel, taps={NODE: printer.put})
        if data.broken:
            return 0
        for line in last_words(summary, result, wanted.quiet):
            say(line)
    return exit_code(result, interrupts.first)


@dataclass(slots=True)
class _Printer:
    """Prints blocks of results as they come. Called by the run, in its own thread."""

    data: DataStream
    stop: CancelToken
    wanted: _Wanted

    def put(self, block: Block) -> None:
        """Print the results of a block; a reader that went away ends the run."""
        text = "".join(self._texts(block))
        if text and not self.data.broken:
            self.data.write(text)
        if self.data.broken:
            self.stop.cancel()

    def _texts(self, block: Block) -> Iterator[str]:
        for offset, entry in enumerate(block.values):
            if entry is not None and not self.wanted.quiet and entry["stderr"] and not self.wanted.as_json:
                say(entry["stderr"].rstrip("\n"))
            if self.wanted.results and self.wanted.as_json:
                yield as_json(_told(block, offset, entry)) + "\n"
            elif self.wanted.results and entry is not None:
                yield _printed(entry)


def _printed(entry: dict[str, Any]) -> str:
    """What a command printed, ended by a line end; of bytes that are no text, the bytes."""
    text: str = entry["stdout"]
    if entry["stdout_is_binary"]:
        text = base64.b64decode(text).decode("utf-8", "surrogateescape")
    return text if not text or text.endswith("\n") else text + "\n"


def _told(block: Block, offset: int, entry: dict[str, Any] | None) -> dict[str, Any]:
    """A result, or an error with the keys it has everywhere, as plain data."""
    item = shown(block.items[offset])
    if entry is not None:
        kept = {key: entry[key] for key in _TOLD}
        binary = {"stdout_is_binary": True} if entry["stdout_is_binary"] else {}
        return {"index": block.start + offset, "item": item, **kept, **binary}
    outcome = block.special[offset]
    outputs = outcome.error.outputs if outcome.error is not None else {}
    return {**outcome.as_error(item), **{key: outputs[key] for key in _TOLD if key in outputs}}
