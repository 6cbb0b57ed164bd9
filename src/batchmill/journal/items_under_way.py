"""Unfinished items that run a sub-workflow: the work inside them is saved until they end.

The journal holds the outcome of such an item as a whole, and then no longer needs the steps to it. But an
item that is killed half way, or fails at its last node, has paid for its earlier steps. So each has a file
beside the journal, created when the first node inside has ended. The process that runs the item adds a line
for each node and each inner item that succeeds:

    .batchmill/runs.sqlite.items/<run>/<node>-<index>-<pass>

The file is removed when the item's outcome is on disk. The next pass matches the files left by earlier passes
by content: the item's inputs, the node inside, and all parts of the node's key.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.journal.contract import Codec, ItemLog
from batchmill.journal.inside_log import ATTEMPT, ENDED, ITEM, KEY, PASS, InsideLog, ItemFile, Line
from batchmill.journal.log_around import LogAround
from batchmill.values.masking import Masker

_NAME_BYTES = 8
_TOGETHER = 256  # files that are removed at once, when their items' outcomes have been brought to disk


@dataclass(slots=True)
class ItemsUnderWay:
    """The files of the items of one pass, in ``folder``; ``number`` is that of the pass. ``masker`` knows the
    secrets that must not be written; ``again`` are nodes of the document whose saved results are ignored.

    Travels to worker processes of the same machine. If the folder is missing (on another machine, or once the
    run has ended), nothing is saved and nothing is known.

    Concurrency: any thread and process may call any method. ``_lock`` guards ``_left``, by which a process
    knows the files of earlier passes; if two processes want the same file they rename it, and one succeeds.
    """

    folder: str
    number: int
    codec: Codec
    masker: Masker
    durable: bool = False
    again: frozenset[str] = frozenset()
    _lock: Any = field(default_factory=threading.Lock, repr=False)
    _left: dict[str, list[str]] | None = None

    def begin(self, place: str, index: int, item: str, attempt: int, masker: Masker) -> InsideLog:
        """The log for an ``attempt`` at the item ``index`` of the node at ``place``; ``item`` is the digest
        of its inputs. ``masker`` knows the secrets of the item."""
        path = self.path(place, index)
        known: list[Line] = []
        if place.partition(".")[0].partition("[")[0] not in self.again:
            if attempt > 1:
                known = self._of_killed_attempts(_lines(path), item)
            elif self.number > 1 and (left := self._take(item, path)):
                known = [line for line in _lines(left) if line.get(ITEM) == item]
        about = {ITEM: item, PASS: self.number, ATTEMPT: attempt}
        file = ItemFile(path, about, self.codec, (self.masker, masker), durable=self.durable)
        return self._log(file, _by_key(known))

    def _log(self, file: ItemFile, known: dict[str, list[Line]]) -> InsideLog:
        return InsideLog(file, known)

    def path(self, place: str, index: int) -> str:
        """The file of an item."""
        name = blake2b(place.encode("utf-8", "surrogatepass"), digest_size=_NAME_BYTES).hexdigest()
        return os.path.join(self.folder, f"{name}-{index}-{self.number}")

    def forget(self, paths: Sequence[str]) -> None:
        """Remove files whose items are saved as a whole."""
        for path in paths:
            try:
                os.unlink(path)
            except OSError:  # nothing had been kept
                continue

    def _take(self, item: str, path: str) -> str:
        """Take the file that an earlier pass left of such an item and rename it to ``path``; empty if there
        is none."""
        with self._lock:
            if self._left is None:
                self._left = self._of_earlier_passes()
            files = self._left.get(item)
            while files:
                try:
                    return self._claim(files.pop(), path)
                except OSError:  # another process has it
                    continue
        return ""

    def _claim(self, left: str, path: str) -> str:
        os.rename(left, path)
        return path

    def _of_killed_attempts(self, lines: Iterator[Line], item: str) -> list[Line]:
        """The outcomes for a further attempt in this pass: those of a killed attempt. After a failed one, the
        whole item runs again."""
        own = [line for line in lines if line.get(ITEM) == item]
        here = [line for line in own if line.get(PASS) == self.number]
        ended = {line.get(ATTEMPT) for line in here if line.get(ENDED)}
        return [line for line in here if line.get(ATTEMPT) not in ended] if ended else own

    def _of_earlier_passes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        try:
            names = sorted(os.listdir(self.folder), reverse=True)
        except OSError:
            return found
        for name in names:
            number = name.rpartition("-")[2]
            if number.isdecimal() and int(number) < self.number:
                path = os.path.join(self.folder, name)
                for item in {line[ITEM] for line in _lines(path) if isinstance(line.get(ITEM), str)}:
                    found[item].append(path)
        return found

    def __getstate__(self) -> tuple[object, ...]:
        return self.folder, self.number, self.codec, self.masker, self.durable, self.again

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.folder, self.number, self.codec, self.masker, self.durable, self.again = state
        self._lock, self._left = threading.Lock(), None


def _lines(path: str) -> Iterator[Line]:
    """The whole lines of a file; the last one may have been cut short by a kill."""
    try:
        with open(path, "rb") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line
    except OSError:
        return


def _by_key(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines of each key, those of the latest attempt last; within one attempt the first line
    comes last."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in reversed(lines):
        if isinstance(line.get(KEY), str) and isinstance(line.get(ATTEMPT), int):
            found[line[KEY]].append(line)
    for every in found.values():
        every.sort(key=lambda line: line[ATTEMPT])  # which leaves those of one attempt in their order
    return found


class ForgettingLog(LogAround):
    """A log of items that run a sub-workflow: once an outcome is on disk, it removes the file of its inside.
    ``place`` is the node's.

    Concurrency: that of the log that it wraps; ``_lock`` guards ``_done``.
    """

    def __init__(self, log: ItemLog, items: ItemsUnderWay, place: str) -> None:
        super().__init__(log)
        self._items = items
        self._place = place
        self._lock = threading.Lock()
        self._done: list[str] = []

    def record(self, block: Block) -> None:
        super().record(block)
        done = [
            self._items.path(self._place, outcome.index)
            for outcome in block.outcomes()
            if outcome.error is None and not self._items.codec.degraded(outcome.records)
        ]
        with self._lock:
            self._done += done
            many = len(self._done) >= _TOGETHER
        if many:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        try:
            super().flush()
        except StorageError:  # told of by the run: what is there is known to the next pass
            return
        self._items.forget(done)

    def close(self, total: int | None, *, read: bool = True) -> None:
        super().close(total, read=read)
        self.flush()
