"""``batchmill run``: run a document and print its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import click

from batchmill.cancel import CancelToken
from batchmill.cli import options
from batchmill.cli.caller import Caller
from batchmill.cli.ending import exit_code, last_words, way_on
from batchmill.cli.faults import say
from batchmill.cli.given import given, with_stdin
from batchmill.cli.interrupts import Interrupts
from batchmill.cli.streams import DataStream, data_only
from batchmill.cli.watching import log_to_stderr, watching
from batchmill.events import Event, Listener, RunStarted
from batchmill.events.progress import ProgressKind
from batchmill.ir.loading import load
from batchmill.journal.journal import Journal
from batchmill.masking import Masker
from batchmill.runs.result import RunResult
from batchmill.runs.run import run


class Begin(Protocol):
    """What runs something, given the arguments that a run and a resumed one share."""

    def __call__(
        self,
        *,
        listeners: Iterable[Listener],
        stop: CancelToken,
        cancel: CancelToken,
        masker: Masker,
    ) -> RunResult:
        """The result."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one call of ``batchmill run`` or ``resume`` asks for."""

    begin: Begin
    journal: Journal | None
    as_json: bool
    progress: ProgressKind
    quiet: bool
    verbose: bool


@click.command("run", short_help="Run a workflow document.")
@options.document
@options.inputs
@options.overrides
@options.keeping
@options.json_flag("Print the whole run as one JSON object.")
@options.talk
@click.pass_obj
def command(
    caller: Caller,
    file: str,
    inputs: tuple[str, ...],
    params_file: Path | None,
    set_json: tuple[str, ...],
    executor: str | None,
    jobs: int | None,
    journal_path: str,
    no_journal: bool,
    durable: bool,
    json_wanted: bool,
    progress: ProgressKind,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run the workflow document FILE (JSON or YAML) and print its outputs.

    Inputs are given as NAME=VALUE; the document says what type VALUE is read as. Without --json a single
    text output is printed as it is, anything else as JSON.
    """
    caller.verbose = verbose
    wanted = with_stdin(given(inputs, set_json, params_file), load(file).raw)
    journal = options.kept_in(journal_path, no_journal, durable)
    begin = partial(
        run,
        file,
        wanted.values,
        text_params=wanted.text,
        executor=executor,
        jobs=jobs,
        journal=journal,
    )
    return fulfil(Request(begin, journal, json_wanted, progress, quiet, verbose), caller)


def fulfil(request: Request, caller: Caller) -> int:
    """Run with stdout kept for data, show the result, return the exit code."""
    masker = Masker()
    caller.hide = masker.text
    with data_only() as data:
        stop, cancel = CancelToken(), CancelToken()
        with (
            log_to_stderr(request.verbose, masker.text),
            Interrupts(stop, cancel, say) as interrupts,
            watching(request.progress, request.quiet, request.verbose) as (listeners, summary),
        ):

            def name_way_on(event: Event) -> None:
                if isinstance(event, RunStarted) and request.journal is not None:
                    interrupts.last_words = way_on(event.run, str(request.journal.path))

            listeners.append(name_way_on)
            result = request.begin(listeners=listeners, stop=stop, cancel=cancel, masker=masker)
        _show(result, data, request)
        for line in last_words(summary, result, request.quiet):
            say(line)
    return exit_code(result, interrupts.first)


def _show(result: RunResult, data: DataStream, request: Request) -> None:
    """The result on stdout: the whole of it as JSON, or the outputs in readable form."""
    if request.as_json:
        data.write_json(result.as_object())
    elif result.ok:
        _show_outputs(result, data)


def _show_outputs(result: RunResult, data: DataStream) -> None:
    values = list(result.outputs.values())
    if not values:
        return
    only = values[0] if len(values) == 1 else result.outputs
    if isinstance(only, str):
        data.write_line(only)
    else:
        data.write_json(only, indent=2)
