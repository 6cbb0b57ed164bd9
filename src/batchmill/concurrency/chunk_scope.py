"""What the items of a chunk share, in the thread that runs them one after another.

Items that each take a lock of the whole process slow each other down far beyond the time that it is held. A
thread is interrupted with the lock in hand, so the next one waits for it. It gets the lock before it has the
GIL, so now the first one waits for it, and so on at every item: a lock convoy. Ten threads then spend
several times as long on their items as one. So what can be held for a whole chunk is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from types import TracebackType


class ChunkScope:
    """Open while a thread runs a chunk. ``ends`` are calls to make when it closes, by who asked for them.

    Scopes of one thread may be inside each other: an item may run a batch of its own.

    Concurrency: only the thread that has opened it uses it.
    """

    __slots__ = ("_outer", "ends")

    def __init__(self) -> None:
        self.ends: dict[Hashable, Callable[[], object]] = {}
        self._outer: ChunkScope | None = None

    def __enter__(self) -> ChunkScope:
        self._outer, _here.scope = _here.scope, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.scope = self._outer
        for end in self.ends.values():
            end()


class _Here(threading.local):
    scope: ChunkScope | None = None


_here = _Here()


def chunk_here() -> ChunkScope | None:
    """The scope of the chunk that this thread runs; None if it runs none."""
    return _here.scope
