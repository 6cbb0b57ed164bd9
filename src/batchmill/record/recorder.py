"""The recorder: an append-only list that many threads may write without loss.

Workers keep recorders of their own and hand back what was recorded with each outcome; the parent
adds that up in item order. So a recorder that is pickled arrives empty, and one that is deep-copied
with a node chain stays the same object: copies of a chain in one process share their recorder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from batchmill.outcome import NOTHING_SPENT, Commands

LLM_CALLS_KEY = "__llm_calls__"  # where a store holds its recorder


class Recorder(Sequence[Any]):
    """Reads like a list of records, in the order they were added. It also has the resources of ``commands``
    that ran since they were last taken, None without any. ``used_before`` is the use by earlier attempts of
    the item whose records are not here. ``noted`` says whether there is anything to take.

    Concurrency: any thread may call any method; ``_lock`` guards ``_records``, ``commands`` and ``noted``.
    Reading works on a copy taken under the lock, so a loop over a recorder never sees a half-made change. A
    stale look at ``noted`` costs one round at most: the owner looks after it wrote.
    """

    __slots__ = ("_lock", "_records", "commands", "noted", "used_before")

    def __init__(self, records: Iterable[object] = ()) -> None:
        self.used_before = NOTHING_SPENT
        self._lock = threading.Lock()
        self._records: list[object] = list(records)
        self.commands: Commands | None = None
        self.noted = bool(self._records)

    def ran(self, commands: Commands) -> None:
        """Add what a command took."""
        with self._lock:
            self.commands = commands if self.commands is None else self.commands.plus(commands)
            self.noted = True

    def take_commands(self) -> Commands | None:
        """The resources of commands since the last call."""
        with self._lock:
            taken, self.commands = self.commands, None
            self.noted = bool(self._records)
        return taken

    def append(self, record: object) -> None:
        """Add one record."""
        with self._lock:
            self._records.append(record)
            self.noted = True

    def extend(self, records: Iterable[object]) -> None:
        """Add records together: no other thread's record comes in between."""
        added = list(records)
        with self._lock:
            self._records.extend(added)
            self.noted = self.noted or bool(added)

    def drain(self) -> tuple[Any, ...]:
        """Take all records out; what one caller drains no other gets."""
        if not self.noted:
            return ()
        with self._lock:
            taken = tuple(self._records)
            self._records.clear()
            self.noted = self.commands is not None
        return taken

    def snapshot(self) -> list[object]:
        """A copy of the present records."""
        with self._lock:
            return list(self._records)

    def __len__(self) -> int:
        with self._lock:
            return len(self._records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.snapshot())

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> list[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        with self._lock:
            return self._records[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Recorder):
            return self.snapshot() == other.snapshot()
        if isinstance(other, list):
            return self.snapshot() == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a mutable sequence, like list

    def __repr__(self) -> str:
        return f"Recorder({self.snapshot()!r})"

    def __deepcopy__(self, memo: dict[int, object]) -> Recorder:
        return self

    def __copy__(self) -> Recorder:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Recorder, ()
