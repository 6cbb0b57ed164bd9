"""Coroutines of the user's own code, for callers that block: run to their end on one event loop.

Every item that is not awaited by its executor (one after another, in a worker process, by a function that
turns out to return a coroutine) is awaited here. All of them share one loop, so that what belongs to a loop
(a client session, a semaphore, a lock) works for all items of a process, as it does for nodes that await.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.event_loop import BackgroundLoop
from batchmill.concurrency.resources import process_resource, resource_scope

PATIENCE = 1.0  # seconds for a coroutine that does not let itself be cancelled; then it is left behind

T = TypeVar("T")

# How many coroutines of this module the calling code is inside of. One that blocks its loop, by a batch of
# its own say, has what it waits for run on another: else both would wait for ever.
_depth: ContextVar[int] = ContextVar("batchmill_loop_depth", default=0)


def run_coroutine(
    make: Callable[[], Coroutine[Any, Any, T]],
    cancel: CancelToken | None = None,
    seconds: float | None = None,
) -> T:
    """What the coroutine that ``make`` gives returns or raises; it sees the caller's context variables.

    It runs on the loop that is held as long as a batch or a run is under way, in the thread of that loop, so
    the caller may itself be inside a running loop, as in a notebook. Raises
    :class:`~batchmill.errors.AttemptTimeout` after ``seconds``, and :class:`~batchmill.errors.NodeError` when
    ``cancel`` is cancelled; the coroutine is cancelled in both cases.
    """
    depth = _depth.get()

    async def deeper() -> T:
        _depth.set(depth + 1)  # of the task that this is: it has a context of its own
        return await make()

    with resource_scope():
        loop = process_resource(
            ("coroutines", depth), lambda: BackgroundLoop("batchmill-coroutines", PATIENCE)
        )
        return loop.call(deeper, cancel or CancelToken(), seconds, "the coroutine")
