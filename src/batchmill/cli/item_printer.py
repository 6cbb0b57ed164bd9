"""The output of ``batchmill map``: what each command printed, in the order of the items or as they end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.batch.results.table_files import ResultFile
from batchmill.block import Block
from batchmill.cli.faults import say
from batchmill.cli.item_rows import Printed, row_pieces
from batchmill.cli.job_log import JobLog
from batchmill.cli.result_folder import ResultFolder
from batchmill.cli.streams import STDERR, DataStream
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import StorageError
from batchmill.journal.contract import READER_LEFT
from batchmill.nodes.command import STREAMS
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.values.words import on_one_line

HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Manner:
    """How to write results: as lines of JSON or unchanged, in order or as they end, each line after its item
    (``tag``). ``passing`` removes files of the run once they are written; ``halt`` makes the first failure
    end running items."""

    as_json: bool = False
    as_completed: bool = False
    tag: bool = False
    passing: bool = False
    halt: bool = False


@dataclass(slots=True)
class ItemPrinter:
    """Writes results to ``file`` if there is one, else to ``data``. When a command ends, its stderr goes to
    stderr, with the name of its item if it failed.

    Concurrency: ``ended`` is called from any thread, ``put`` by one; ``_lock`` is held during a write, and
    guards all fields that change.
    """

    manner: Manner
    data: DataStream
    stop: CancelToken
    cancel: CancelToken
    file: ResultFile | None = None
    folder: ResultFolder | None = None
    log: JobLog | None = None
    text: Callable[[Any], str] = str
    lost: int = 0
    fault: StorageError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _written: set[int] = field(default_factory=set)
    _amid_line: bool = False

    @property
    def rows_are_shown(self) -> bool:
        """Whether the rows on stdout already contain everything about an item."""
        return self.manner.as_json and self.file is None

    def ended(self, block: Block) -> None:
        """Items have ended, in no order."""
        for ended in _items(block):
            with self._lock:
                try:
                    self._ended(ended)
                except StorageError as fault:  # told by the thread that waits for the run
                    self.fault = self.fault or fault
                    self.stop.cancel()

    def _ended(self, ended: EndedItem) -> None:
        if not self.rows_are_shown:
            self._pass_on(Printed.of(ended.outputs, "stderr"))
            if ended.error is not None:
                self._say(f"{ended.name}: {_reason(ended.error)}")
        if self.log is not None:
            self.log.add(ended.item, ended.outputs, ended.outcome)
        if self.folder is not None:
            self.folder.add(ended.index, ended.item, ended.outputs)
        if self.manner.as_completed:
            self._written.add(ended.index)
            self._write(ended)
        if self.manner.halt and ended.error is not None:
            self.stop.cancel(HALTED)
            self.cancel.cancel(HALTED)
        # the folder of large outputs is full: the outputs of the other commands would be lost, too
        if ended.error is not None and ended.error.type == StorageError.__name__:
            raise StorageError(ended.error.message)

    def put(self, block: Block) -> None:
        """Write the results of a block, which comes in order; a reader that went away ends the run."""
        for ended in _items(block):
            with self._lock:
                self._keep(ended)
                if ended.index in self._written:
                    self._written.discard(ended.index)
                else:
                    self._write(ended)
                if self.manner.passing:
                    _remove(ended.files)
        if self.data.broken:
            self.stop.cancel(READER_LEFT)

    def _keep(self, ended: EndedItem) -> None:
        """Write the files of an item that ended in an earlier pass, perhaps at another position."""
        folder = self.folder
        if folder is not None and not folder.has(ended.index) and ended.missing is None:
            folder.add(ended.index, ended.item, ended.outputs)

    def write(self, ended: EndedItem) -> None:
        """Write the result of an item that ended before."""
        with self._lock:
            self._write(ended)

    def close(self) -> None:
        """End the line on stderr where a command did not: what follows there is ours. End the job log, and
        leave the folder of results."""
        self._end_line()
        if self.folder is not None:
            self.folder.close()
        if self.log is not None:
            self.log.close()

    def _end_line(self) -> None:
        if self._amid_line:
            self._say_raw(b"\n")
            self._amid_line = False

    def _write(self, ended: EndedItem) -> None:
        if self.data.broken:
            return
        if (missing := ended.missing) is not None:
            self.lost += 1
            self._say(f"error: {ended.name}: the output of its command is gone: {missing}")
            return
        for piece in self._pieces(ended):
            if self.file is not None:
                self.file.write(piece)
            else:
                self.data.write_bytes(piece)

    def _pieces(self, ended: EndedItem) -> Iterator[bytes]:
        if self.manner.as_json or self.file is not None:
            failed = ended.outcome if ended.error is not None else None
            for text in row_pieces(ended.index, ended.item, ended.outputs, failed):
                yield _encoded(text)
            return
        chunks = Printed.of(ended.outputs, "stdout").chunks()
        yield from _tagged(chunks, self.text(ended.item)) if self.manner.tag else chunks

    def _pass_on(self, printed: Printed) -> None:
        with contextlib.suppress(FileNotFoundError):
            for chunk in printed.chunks():
                self._say_raw(chunk)
                self._amid_line = not chunk.endswith(b"\n")

    def _say(self, line: str) -> None:
        self._end_line()
        say(line)

    def _say_raw(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(STDERR, rest) :]
        except OSError:
            pass  # nobody reads it, and there is no other place to complain


@dataclass(frozen=True, slots=True)
class EndedItem:
    """An item that ran to its end."""

    index: int
    item: Any
    outputs: Mapping[str, Any]
    wall: float
    outcome: Outcome

    @classmethod
    def recorded(
        cls, index: int, item: object, value: Any, error: Mapping[str, Any] | None, attempts: int
    ) -> EndedItem:
        """One of an earlier pass, as the journal has it."""
        if error is None:
            return cls(index, item, value or {}, 0.0, Outcome(index, value))
        info = ErrorInfo(error["type"], error["message"], error["kind"], outputs=error.get("outputs") or {})
        return cls(index, item, info.outputs, 0.0, Outcome(index, error=info, attempts=attempts))

    @property
    def error(self) -> ErrorInfo | None:
        return self.outcome.error

    @property
    def files(self) -> list[str]:
        """The files with the output of its command, if that was large."""
        paths = (self.outputs.get(f"{stream}_file") for stream in STREAMS)
        return [path for path in paths if path is not None]

    @property
    def missing(self) -> str | None:
        """The first of them that is gone."""
        return next((path for path in self.files if not os.path.exists(path)), None)

    @property
    def name(self) -> str:
        return f"item {self.index} ({on_one_line(self.item)})"


def _items(block: Block) -> Iterator[EndedItem]:
    """The items of a block, except cancelled ones."""
    for outcome, item in zip(block.outcomes(), block.items, strict=False):
        error = outcome.error
        if error is not None and error.kind == "cancelled":
            continue
        outputs = error.outputs if error is not None else outcome.value
        yield EndedItem(outcome.index, item, outputs or {}, outcome.wall, outcome)


def _reason(error: ErrorInfo) -> str:
    """Why an item failed, without the stderr of its command, which has been printed already."""
    if error.kind == "timeout":
        return "timed out"
    if Printed.of(error.outputs, "stderr"):
        return error.message.partition(": ")[0]
    return on_one_line(error.message, 200)


def _tagged(chunks: Iterator[bytes], tag: str) -> Iterator[bytes]:
    """The same with ``tag`` and a tab before each line."""
    mark = tag.replace("\n", " ").encode("utf-8", "surrogateescape") + b"\t"
    at_start = True
    for chunk in chunks:
        lines = _lines(chunk)
        yield b"".join((mark + line) if at_start or number else line for number, line in enumerate(lines))
        at_start = chunk.endswith(b"\n")


def _lines(chunk: bytes) -> list[bytes]:
    parts = chunk.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _remove(paths: list[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
