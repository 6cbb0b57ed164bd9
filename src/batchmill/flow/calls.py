"""The current call of a node in this thread or task, and the number of its retry.

The state of a call lives in a context variable, not on the node: threads and asyncio tasks that run one node
at the same time each see their own. Calls nest (a node may run a flow), so the variable holds the innermost
call, and each call knows the one around it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from threading import Lock
from types import TracebackType
from typing import Any, cast

from batchmill.record import Recorder
from batchmill.step import LLM_CALLS_KEY

Records = Recorder | list[Any]

_innermost: ContextVar[NodeCall | None] = ContextVar("batchmill_innermost_call", default=None)
_new_recorder = Lock()  # so that two threads that find no recorder do not each make one


class NodeCall:
    """One call of ``node``, a context manager. ``retry`` counts from 0. ``last`` is the result of ``exec`` of
    the node that was called last within it.

    ``shared``, ``recorder`` and ``run`` are by default those of the call around it. ``run`` is the state that
    nodes share of a run that is saved or has listeners, else None. ``place`` is the place of the node that
    will run next (``visiting``), or within which nodes run. ``visit`` is that of a batch node, and ``index``
    the number of an item.

    Concurrency: a Call belongs to the thread or task that entered it; :class:`NodeAttempts` made by its child
    tasks report to it the retry at which they ended, and the last one wins.
    """

    __slots__ = (
        "_token",
        "around",
        "index",
        "last",
        "node",
        "place",
        "recorder",
        "retry",
        "run",
        "shared",
        "visit",
        "visiting",
    )

    def __init__(self, node: object, shared: object = None, recorder: Recorder | None = None) -> None:
        self.node = node
        self.shared = shared
        self.recorder = recorder
        self.retry = 0
        self.last: Any = None
        self.around: NodeCall | None = None
        self.run: Any = None
        self.place: Any = None
        self.visiting = False
        self.visit: Any = None
        self.index: int | None = None

    def __enter__(self) -> NodeCall:
        around = self.around = _innermost.get()
        if around is not None:
            self.shared = around.shared if self.shared is None else self.shared
            self.recorder = around.recorder if self.recorder is None else self.recorder
            self.run = around.run if self.run is None else self.run
        self._token = _innermost.set(self)
        return self

    def tell(self, result: object) -> None:
        """Report the result to the enclosing call."""
        if self.around is not None:
            self.around.last = result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _innermost.reset(self._token)


class NodeAttempts(NodeCall):
    """The part of a call in which ``exec`` is tried; ``post`` reads the retry it ended at."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        around = self.around
        if around is not None and around.node is self.node and not isinstance(around, NodeAttempts):
            around.retry = self.retry
        _innermost.reset(self._token)


def call_of(node: object) -> NodeCall | None:
    """The innermost call of ``node`` that is under way here, None outside of any."""
    call = _innermost.get()
    while call is not None and call.node is not node:
        call = call.around
    return call


def innermost() -> NodeCall | None:
    """The innermost call that is under way here."""
    return _innermost.get()


def tell_last(result: object) -> None:
    """Store in the innermost call the result of the last node within it."""
    call = _innermost.get()
    if call is not None:
        call.last = result


class CurRetry:
    """The attribute ``cur_retry``: the retry (from 0) of the calling thread or task.

    Outside a call it is the value that was set last, on any thread. It is also in the node's ``__dict__``,
    where the original keeps it.
    """

    def __get__(self, node: object, owner: type | None = None) -> Any:
        if node is None:
            return self
        call = call_of(node)
        return node.__dict__.get("cur_retry", 0) if call is None else call.retry

    def __set__(self, node: object, value: int) -> None:
        call = call_of(node)
        if call is not None:
            call.retry = value
        node.__dict__["cur_retry"] = value


def current_recorder() -> Records:
    """The recorder for LLM calls of the caller's run; for ``prep``, ``exec`` and ``post``.

    It is ``shared["__llm_calls__"]``, added if missing. In a worker process it is the item's own, and its
    records travel back with the item. Raises :class:`RuntimeError` outside a run and if the shared store is
    no mapping.
    """
    call = _innermost.get()
    if call is not None and call.recorder is not None:
        return call.recorder
    if call is None or not isinstance(call.shared, MutableMapping):
        raise RuntimeError("no recorder here: current_recorder() works inside a node that runs on a dict")
    return recorder_in(call.shared)


def recorder_in(shared: MutableMapping[str, object]) -> Records:
    """The value of ``shared["__llm_calls__"]``; a new recorder if there is none.

    A program's own list is left in place: appending to a list loses nothing on any interpreter.
    """
    with _new_recorder:
        found = shared.get(LLM_CALLS_KEY)
        if found is None:
            found = shared[LLM_CALLS_KEY] = Recorder()
    return cast(Records, found)
