"""``exec`` of a node as a task of the engine: the code that an executor runs for one item.

A task holds the program's own node. An executor with threads copies the task once for each thread, and the
node with it, so they share no state (unless configured to); see :mod:`batchmill.flow.isolation` for the
objects that copies still share. To other processes the node goes without its successors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.concurrency.promises import kept, settled
from batchmill.executors.contract import Task
from batchmill.flow.calls import NodeCall
from batchmill.flow.content import NodePlace
from batchmill.flow.isolation import alone, detached
from batchmill.flow.publishing import pieces, run_in_worker
from batchmill.flow.running import FlowRun


def hopeless(error: Exception) -> bool:
    """Whether a failure declares that another attempt would fail too."""
    return getattr(error, "retryable", True) is False


def is_async(node: Any) -> bool:
    """Whether a node works by ``exec_async``."""
    return callable(getattr(node, "exec_async", None))


def exec_task(node: Any, attempts: int, *, share: bool) -> ExecTask:
    """The task that runs ``node.exec`` (or ``exec_async``) on an item, ``attempts`` times at most. ``share``
    has all threads work on the node itself."""
    return (AsyncExecTask if is_async(node) else ExecTask)(node, attempts, share)


class ExecTask(Task):
    """One attempt of ``exec``; the last one's failure goes to ``exec_fallback``."""

    share: bool = False  # each object says for itself

    def __init__(
        self, node: Any, attempts: int, share: bool, place: NodePlace | None = None, elsewhere: bool = False
    ) -> None:
        self.node = node
        self.attempts = attempts
        self.share = share
        self._place = place
        self._elsewhere = elsewhere
        self._run: FlowRun | None = None

    def listen(self, place: NodePlace, run: FlowRun, *, in_process: bool) -> None:
        """Have ``run`` hear what items publish; one in another process travels with the item's result."""
        self._place, self._elsewhere = place, not in_process and run.bus.heard
        self._run = run.unkept() if in_process else None

    def _call(self, index: int, attempt: Attempt) -> NodeCall:
        call = NodeCall(self.node, recorder=attempt.recorder)
        call.place, call.index = self._place, index
        call.run = run_in_worker(attempt.recorder) if self._elsewhere else self._run
        return call

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        node = self.node
        with self._call(index, attempt):
            node.cur_retry = attempt.number - 1
            try:
                return _result(node.exec(item), attempt)
            except Exception as error:
                if not self._last(attempt, error):
                    raise
                return _result(node.exec_fallback(item, error), attempt)

    def _last(self, attempt: Attempt, error: Exception) -> bool:
        return attempt.number >= self.attempts or hopeless(error)

    def __deepcopy__(self, memo: dict[int, Any]) -> ExecTask:
        twin = type(self)(alone(self.node), self.attempts, self.share, self._place, self._elsewhere)
        twin._run = self._run
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (detached(self.node), self.attempts, self.share, self._place, self._elsewhere)


class AsyncExecTask(ExecTask):
    """The same for ``exec_async``; an executor that has an event loop awaits ``run_async`` on it."""

    awaits = True

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        return run_coroutine(
            lambda: self.run_async(item, index, attempt), attempt.cancel, attempt.remaining()
        )

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> Any:
        """One attempt as a coroutine. Many may be under way on one node: the retry is per call."""
        node = self.node
        with self._call(index, attempt):
            node.cur_retry = attempt.number - 1
            try:
                return await settled(pieces(node.exec_async(item)))
            except Exception as error:
                if not self._last(attempt, error):
                    raise
                fallback = getattr(node, "exec_fallback_async", None)
                return await settled((fallback or node.exec_fallback)(item, error))


def _result(value: Any, attempt: Attempt) -> Any:
    return kept(pieces(value), attempt.cancel, attempt.remaining())


class OwnRetriesTask(Task):
    """A node with the retries it was made with: one attempt of the engine is all of the node's own.

    ``tried`` is the method that tries, taken from the class that defines it for a single item.
    """

    def __init__(self, node: Any, tried: Callable[[Any, Any], Any]) -> None:
        self.node = node
        self.tried = tried

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        with NodeCall(self.node, recorder=attempt.recorder):
            return self.tried(self.node, item)

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnRetriesTask:
        return type(self)(alone(self.node), self.tried)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (detached(self.node), self.tried)


class AsyncOwnRetriesTask(OwnRetriesTask):
    """The same for an async node."""

    awaits = True

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        return run_coroutine(
            lambda: self.run_async(item, index, attempt), attempt.cancel, attempt.remaining()
        )

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> Any:
        """All attempts of one item, as a coroutine."""
        with NodeCall(self.node, recorder=attempt.recorder):
            return await self.tried(self.node, item)
