"""Code that the commands ``run``, ``map`` and ``resume`` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batchmill.batch import OnBlock
from batchmill.cli.at_the_end import FilesAtTheEnd
from batchmill.cli.caller import Caller
from batchmill.cli.ending import exit_code, last_words, way_on
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say
from batchmill.cli.interrupts import Interrupts
from batchmill.cli.journals import working_folder
from batchmill.cli.options import Talk
from batchmill.cli.streams import DataStream, data_only
from batchmill.cli.watching import log_to_stderr, watching
from batchmill.concurrency.cancel import CancelToken
from batchmill.events import Event, Finishing, Listener, RunStarted
from batchmill.graph.attached import Attachment
from batchmill.journal.journal import Journal
from batchmill.runs.result import RunResult
from batchmill.values.masking import Masker

if TYPE_CHECKING:  # what only `map` needs, with all that reads commands: 2 MB
    from batchmill.cli.item_printer import ItemPrinter
    from batchmill.cli.map_run import MapRun


class Begin(Protocol):
    """Starts a run, given the arguments that all such commands share."""

    def __call__(
        self,
        *,
        listeners: Iterable[Listener],
        stop: CancelToken,
        cancel: CancelToken,
        masker: Masker,
        taps: Mapping[str, OnBlock],
        attached: Mapping[str, Attachment],
        last: CancelToken,
    ) -> RunResult:
        """The result."""


@dataclass(frozen=True, slots=True)
class CommandCall:
    """The arguments of one call of such a command: print results item by item, of ``items``, or the outputs
    at the end. ``at_the_end`` are files about the run, written when it has ended. With ``exit_zero``, a run
    in which only some items failed ends as a success. ``folder`` is the folder in which the command was
    called."""

    begin: Begin
    journal: Journal | None
    as_json: bool
    talk: Talk
    at_the_end: FilesAtTheEnd
    items: MapRun | None = None
    folder: str = field(default_factory=working_folder)
    exit_zero: bool = False


def fulfil(call: CommandCall, caller: Caller) -> int:
    """Run with stdout kept for data, show the result, return the exit code."""
    masker = Masker()
    caller.hide = masker.text
    with data_only() as data:
        stop, cancel, last = CancelToken(), CancelToken(), CancelToken()
        with (
            _printing(call.items, data, stop, cancel) as printer,
            log_to_stderr(call.talk.verbose, masker.text),
            Interrupts(stop, cancel, say, last=last) as interrupts,
            watching(call.talk.progress, call.talk.quiet, call.talk.verbose) as (listeners, summary),
        ):
            listeners.append(partial(_inform, interrupts, call))
            if printer is not None and printer.log is not None:
                listeners.append(printer.log.heard)
            result = call.begin(
                listeners=listeners,
                stop=stop,
                cancel=cancel,
                masker=masker,
                taps={} if printer is None or call.items is None else call.items.taps(printer),
                attached={} if printer is None or call.items is None else call.items.attached(printer),
                last=last,
            )
            if printer is not None and call.items is not None:
                call.items.done(printer, result)
        caller.fault_schema = None  # from here on stdout has the result
        if printer is None:
            _show(result, data, call.as_json)
        enough = printer is not None and data.broken  # who read the results has seen enough
        if not enough:
            for line in last_words(summary, result, call.talk.quiet, call.folder, named=printer is not None):
                say(line)
        call.at_the_end.write(result.run)
        if enough:
            return Exit.SUCCESS
        if printer is not None and printer.fault is not None:
            raise printer.fault
    if printer is not None and printer.lost:
        return Exit.ENVIRONMENT
    code = exit_code(result, interrupts.first)
    return Exit.SUCCESS if code == Exit.DEGRADED and call.exit_zero else code


def _inform(interrupts: Interrupts, call: CommandCall, event: Event) -> None:
    """Tell the handler of signals which command continues the run, and when its nodes have ended."""
    if isinstance(event, RunStarted) and call.journal is not None:
        interrupts.last_words = way_on(event.run, str(call.journal.path), call.folder)
    if isinstance(event, Finishing) and not event.within:
        interrupts.finishing()


@contextmanager
def _printing(
    items: MapRun | None, data: DataStream, stop: CancelToken, cancel: CancelToken
) -> Iterator[ItemPrinter | None]:
    if items is None:
        yield None
        return
    with items.printing(data, stop, cancel) as printer:
        yield printer


def _show(result: RunResult, data: DataStream, whole: bool) -> None:
    """The result on stdout: the whole of it as JSON, or the outputs in readable form."""
    if whole:
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
