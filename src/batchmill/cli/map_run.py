"""A run of ``batchmill map``, new or continued, from its job to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click

from batchmill.batch import OnBlock
from batchmill.batch.results.table_files import form_of, result_file
from batchmill.cli.at_the_end import NO_FILES, FilesAtTheEnd, kept_files
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say
from batchmill.cli.item_feed import ItemFeed, NothingThere
from batchmill.cli.item_printer import EndedItem, ItemPrinter, Manner
from batchmill.cli.job_log import JobLog
from batchmill.cli.map_job import NODE, MapJob
from batchmill.cli.outputs import new_name, outputs_folder
from batchmill.cli.result_folder import ResultFolder
from batchmill.cli.streams import DataStream, data_only
from batchmill.cli.titles import OUTPUTS
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.errors import InvalidDocument, InvalidSetting, NodeError, StorageError
from batchmill.file_table import OwnFiles
from batchmill.graph.attached import Attachment
from batchmill.items.byte_streams import standard_input_is_empty
from batchmill.journal.contract import MAP, RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.journal.tidying import is_of_map, tidy, tidy_abandoned
from batchmill.nodes.command import as_typed
from batchmill.nodes.placeholders import Placeholder
from batchmill.policy.concurrency import MOST_CONCURRENT
from batchmill.runs.hooks import RunHooks
from batchmill.runs.journaled import Opening, RunRequest, begun, nothing_kept
from batchmill.runs.result import RunResult
from batchmill.runs.resumable import STDIN_NOT_READ
from batchmill.runs.run import execute, ordered
from batchmill.runs.settings import RunSettings
from batchmill.values.words import count

SOURCE = "batchmill map"  # what the journal calls the document


@dataclass(frozen=True, slots=True)
class MapRun:
    """A job, its items, and how its results are written. ``folder`` is for large outputs, which are not
    held in memory."""

    job: MapJob
    journal: Journal | None
    folder: str
    items: Callable[[], Iterable[Any]]
    as_json: bool

    @contextmanager
    def printing(self, data: DataStream, stop: CancelToken, cancel: CancelToken) -> Iterator[ItemPrinter]:
        """The printer of the results, closed with the block. A file that replaces another is completed by
        :meth:`done`."""
        job = self.job
        manner = Manner(
            as_json=self.as_json,
            as_completed=job.as_completed,
            tag=job.tag,
            passing=self.journal is None,
            halt=job.halt,
        )
        whole = partial(Placeholder("{}").text, several=job.shape.several)
        printer = ItemPrinter(manner, data, stop, cancel, text=whole)
        try:
            if job.collect is not None:
                printer.file = result_file(job.collect, form_of(job.collect))
            if job.results is not None:
                printer.folder = ResultFolder(job.results)
            if job.joblog is not None:
                printer.log = JobLog(job.joblog, lambda item, index: job.text_of(item, index, self.folder))
            yield printer
        finally:
            printer.close()
            if printer.file is not None:
                printer.file.close()

    def taps(self, printer: ItemPrinter) -> dict[str, OnBlock]:
        """What takes the results as they come, by node."""
        return {NODE: printer.put}

    def attached(self, printer: ItemPrinter) -> dict[str, Attachment]:
        """The items, with the printer as listener."""
        load = self.job.load
        permits = None if load is None else FairSemaphore(MOST_CONCURRENT, lambda: os.getloadavg()[0] >= load)
        return {NODE: Attachment(self.items, printer.ended, permits)}

    def done(self, printer: ItemPrinter, result: RunResult) -> None:
        """End the run: complete results get their final name. The output of a run that was already finished
        is printed again."""
        if result.untouched and self.journal is not None:
            self._write_again(printer, result.run)
            from_stdin = any(source.from_stdin for source in self.job.sources)
            if from_stdin and not standard_input_is_empty(wait=False):
                say(f"note: {STDIN_NOT_READ}")
        stopped = result.interrupted or result.environment or result.limit is not None
        whole = not stopped and (result.ok or self.job.batch.get("error_handling") == "continue")
        if printer.folder is not None and not result.untouched and (told := printer.folder.left_over()):
            say(f"note: {told}")
        if printer.file is None:
            return
        if whole:
            printer.file.complete()
        elif printer.file.path != self.job.collect:
            say(
                f"note: {self.job.collect} is unchanged; results of the run so far are in {printer.file.path}"
            )

    def _write_again(self, printer: ItemPrinter, name: str) -> None:
        assert self.journal is not None  # noqa: S101  # for the type checker: the caller has looked
        with Reader(self.journal) as reader:
            for visit in reader.visits(reader.run(name)):
                for one in reader.items(visit) if visit.is_batch else ():
                    printer.write(EndedItem.recorded(one.index, one.item, one.value, one.error, one.attempts))


@contextmanager
def map_run(
    job: MapJob,
    journal: Journal | None,
    as_json: bool,
    remembered: dict[str, object],
    cluster: str | None = None,
    at_the_end: FilesAtTheEnd = NO_FILES,
) -> Iterator[tuple[MapRun, Callable[..., RunResult]]]:
    """A new run and the function that begins it. ``journal`` keeps it, that of ``at_the_end`` records its
    events. Raises :class:`click.UsageError` before anything begins."""
    name, noted = new_name(), at_the_end.journal
    job.check_files(at_the_end.written)
    _be_nice(job)
    with outputs_folder(journal, name) as folder:
        feed = _feed(job, journal, files=at_the_end.own_files)
        told = {**remembered, **at_the_end.remembered(), MAP: job.as_json(), OUTPUTS: name}
        try:
            settings = RunSettings(remembered=told, cluster=cluster)
            order = ordered(job.document(folder, name), None, None, settings)
        except InvalidDocument as fault:
            raise _as_typed(fault) from fault
        order = replace(order, source=SOURCE)
        opening = nothing_kept if noted is None else partial(begun, noted, order)
        yield MapRun(job, journal, folder, feed, as_json), partial(_begin, order, opening)
    _tidy(journal)


def _begin(order: RunRequest, opening: Opening, **hooks: Any) -> RunResult:
    return execute(order, opening, RunHooks(**hooks))


@contextmanager
def map_resumed(
    run: RunRecord, journal: Journal, as_json: bool, again: bool, at_the_end: FilesAtTheEnd
) -> Iterator[MapRun]:
    """A run of ``map`` to continue; ``again`` also continues a finished one.

    Raises :class:`InvalidSetting` if its items are gone.
    """
    job = MapJob.of(run.settings[MAP])
    job.check_files(at_the_end.written)
    _be_nice(job)
    with outputs_folder(journal, str(run.settings[OUTPUTS])) as folder:
        files = {**kept_files(run), **at_the_end.own_files}
        open_feed = partial(_feed, job, journal, files, run.name)
        if run.finished and not again:
            yield MapRun(job, journal, folder, lambda: open_feed()(), as_json)
        else:
            yield MapRun(job, journal, folder, open_feed(), as_json)
    _tidy(journal)


def items_of_map(run: RunRecord, journal: Journal) -> dict[str, Attachment]:
    """Only the items of a run of ``map``, for callers that do not run them.

    Raises :class:`InvalidSetting` if they are gone.
    """
    return {NODE: Attachment(_feed(MapJob.of(run.settings[MAP]), journal, kept_files(run), run.name))}


def _tidy(journal: Journal | None) -> None:
    """Remove old runs from a journal of ``map``, which nobody tidies by hand."""
    if journal is None or not is_of_map(journal) or not journal.path.exists():
        return
    try:
        gone = tidy(journal)
        tidy_abandoned()
    except StorageError:  # the run has ended as it should; what is too much goes with the next one
        return
    if gone:
        say(f"note: deleted {count(len(gone), 'old run')} of `map` in this folder, to make room")


def _be_nice(job: MapJob) -> None:
    """Leave others the machine: what is started from here on inherits it."""
    if job.nice:
        os.nice(job.nice)


def _feed(job: MapJob, journal: Journal | None, files: OwnFiles, run: str | None = None) -> ItemFeed:
    own = job.own_files(journal, files)
    try:
        return job.feed(own, say, resuming=run is not None)
    except NodeError as fault:  # of a function, before its first item
        raise click.UsageError(fault.message) from fault
    except NothingThere as fault:
        if run is None:
            raise
        if any(source.from_stdin for source in job.sources):
            raise InvalidSetting(
                f"the items of run {run} came from standard input, and it is empty now; give them again: "
                f"... | batchmill resume {run}"
            ) from fault
        raise InvalidSetting(f"run {run} is left as it is, {fault.message}") from fault


def _as_typed(fault: InvalidDocument) -> click.UsageError:
    """The problems of the command, in terms of the placeholders that the user typed."""
    told = "; ".join(f"{one.message}{f'; {one.hint}' if one.hint else ''}" for one in fault.problems)
    return click.UsageError(f"the command: {as_typed(told)}")


def dry_run(job: MapJob) -> int:
    """Print the command of each item and run none. Raises what :func:`map_run` raises."""
    with outputs_folder(None, "") as folder, data_only() as data:
        feed = _feed(job, None, {})
        try:
            ordered(job.document(folder, ""), None, None, RunSettings())
        except InvalidDocument as fault:
            raise _as_typed(fault) from fault
        for index, item in enumerate(feed()):
            data.write_line(job.text_of(item, index, folder))
            if data.broken:
                break
    return Exit.SUCCESS
