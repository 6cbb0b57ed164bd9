"""A node: read from the shared store, execute, write back; retry when it fails."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, Self, Unpack, cast, overload

from batchmill.concurrency.promises import awaited, kept
from batchmill.errors import InvalidSetting
from batchmill.executors.contract import Task
from batchmill.flow.branches import Branches
from batchmill.flow.calls import CurRetry, NodeAttempts, NodeCall
from batchmill.flow.item_tasks import OwnRetriesTask
from batchmill.flow.journaled import RunKeywords, run_of
from batchmill.flow.keeping import SingleVisit
from batchmill.flow.publishing import pieces, running
from batchmill.flow.tries import Tries
from batchmill.flow.typevars import ExecT, NextT, ParamsT, PrepT, SharedT, Typed
from batchmill.flow.warned import class_of
from batchmill.values.tracebacks import warn

Several = list[Any] | tuple[Any, ...]
"""Nodes that run side by side."""
AnyNode = Any
"""A node of any types. Any, because None may follow a node: an explicit end."""


def read_out(value: object) -> Any:
    """The result for the value that ``exec`` returned; values that a generator yields are published."""
    return kept(pieces(value))


class BaseNode(Typed[SharedT, ParamsT, PrepT, ExecT]):
    """Three steps over a shared store, and a successor for each action.

    ``prep`` reads from the store, ``exec`` works only on what ``prep`` returned, ``post`` writes to the store
    and returns the action that picks the next node; None means ``"default"``. A step written with ``async
    def`` is awaited.

    ``params`` come from the flow; ``successors`` maps an action to the next node.
    """

    params: ParamsT
    successors: dict[str, AnyNode]

    def __init__(self) -> None:
        self.params = cast(ParamsT, {})
        self.successors = {}

    def set_params(self, params: ParamsT) -> None:
        """Replace the params; a flow does this on its own copy of the node."""
        self.params = params

    @overload
    def next(self, node: Several, action: str = "default") -> Branches: ...
    @overload
    def next(self, node: NextT, action: str = "default") -> NextT: ...
    def next(self, node: object, action: str = "default") -> Any:
        """Have ``node`` follow when ``post`` returns ``action``; returns ``node``, so that calls chain.

        Warns if the action already has a successor. ``None`` as ``node`` ends the flow there. The nodes of a
        list all follow, and run at the same time.
        """
        if isinstance(node, (list, tuple)):
            node = node if isinstance(node, Branches) else Branches(node)
        if action in self.successors:
            warn(f"Overwriting successor for action '{action}' of {class_of(self)}")
        self.successors[action] = node
        return node

    def prep(self, shared: SharedT) -> PrepT:
        """Read what ``exec`` needs out of the shared store."""
        return cast(PrepT, None)

    def exec(self, prep_res: PrepT) -> ExecT:
        """Do the work, without the shared store; if it raises, it is retried."""
        return cast(ExecT, None)

    def post(self, shared: SharedT, prep_res: PrepT, exec_res: ExecT) -> Any:
        """Write the result to the shared store; the action returned picks the next node."""
        return None

    def _exec(self, prep_res: Any) -> Any:
        return awaited(self.exec(prep_res))

    def _run(self, shared: SharedT) -> Any:
        with NodeCall(self, shared) as call:
            prep_res = awaited(self.prep(shared))
            exec_res = self._exec(prep_res) if call.run is None else self._kept(call, prep_res)
            call.tell(exec_res)
            return awaited(self.post(shared, prep_res, exec_res))

    def _kept(self, call: NodeCall, prep_res: object) -> Any:
        """The result of ``exec`` in a run that is saved or listened to."""
        visit = SingleVisit(call, prep_res)
        if not visit.known:
            with visit.making() as made:
                made.value = self._exec(prep_res)
            return made.value
        return visit.value

    def run(self, shared: SharedT, **keeping: Unpack[RunKeywords]) -> Any:
        """Run this node alone, or this flow, and return what ``post`` returned. Warns if a node has
        successors.

        ``journal``, ``name``, ``listeners`` and ``on_piece`` are those of
        :class:`~batchmill.flow.journaled.RunKeywords`.
        """
        if self.successors:
            warn(f"Node won't run successors. Use Flow. ({class_of(self)})")
        if not keeping:
            return self._run(shared)
        with run_of(self, shared, **keeping):
            return self._run(shared)

    @overload
    def __rshift__(self, other: Several) -> Branches: ...
    @overload
    def __rshift__(self, other: NextT) -> NextT: ...
    def __rshift__(self, other: object) -> Any:
        return self.next(other)

    def __rrshift__(self, several: Several) -> Self:
        """``[b, c] >> d``: one node after several, which runs when all of them have ended."""
        if isinstance(several, (list, tuple)):
            Branches(several).next(self)
            return self
        return NotImplemented

    def __sub__(self, action: str) -> ConditionalTransition:
        if isinstance(action, str):
            return ConditionalTransition(self, action)
        raise TypeError("Action must be a string")


class ConditionalTransition:
    """The value of ``node - "action"``, before ``>>`` and the node that follows."""

    def __init__(self, src: AnyNode, action: str) -> None:
        self.src = src
        self.action = action

    @overload
    def __rshift__(self, tgt: Several) -> Branches: ...
    @overload
    def __rshift__(self, tgt: NextT) -> NextT: ...
    def __rshift__(self, tgt: object) -> Any:
        return self.src.next(tgt, self.action)


class Node(BaseNode[SharedT, ParamsT, PrepT, ExecT]):
    """A node whose ``exec`` is tried up to ``max_retries`` times, ``wait`` seconds apart.

    ``max_retries`` counts attempts in total, from 1. Inside ``exec``, ``cur_retry`` is the attempt of the
    calling thread or task, from 0. After the last attempt ``exec_fallback`` is called, inside the ``except``
    block: a bare ``raise`` in it re-raises.

    Raises :class:`~batchmill.errors.InvalidSetting` (a ValueError) for fewer than one attempt and for a
    negative wait.

    Concurrency: many threads and tasks may run one node at once as long as its own methods only use their
    arguments; each call counts its own retries.
    """

    cur_retry = CurRetry()

    def __init__(self, max_retries: int = 1, wait: float = 0) -> None:
        super().__init__()
        if not isinstance(max_retries, int) or max_retries < 1:
            raise InvalidSetting(
                f"max_retries counts attempts in total and must be 1 or more, not {max_retries!r}"
            )
        if not isinstance(wait, (int, float)) or wait < 0:
            raise InvalidSetting(f"wait must be 0 or more seconds, not {wait!r}")
        self.max_retries = max_retries
        self.wait = wait
        self.cur_retry = 0

    def exec_fallback(self, prep_res: PrepT, exc: Exception) -> ExecT:
        """The result to use when the last attempt failed too; raises ``exc`` unless overridden."""
        raise exc

    def _exec(self, prep_res: Any) -> Any:
        return self._tried(prep_res, read_out if running() else awaited)

    def _tried(self, prep_res: Any, result_of: Callable[[Any], object]) -> Any:
        """The result of ``exec`` after its retries; ``result_of`` makes it from what ``exec`` returned."""
        with NodeAttempts(self):
            tries: Tries | None = None
            for retry in itertools.count():
                self.cur_retry = retry
                try:
                    return result_of(self.exec(prep_res))
                except Exception as error:  # noqa: BLE001  # a try ends here; the last one's error goes on
                    tries = tries or Tries(self.max_retries, self.wait)
                    wait = tries.again(max(retry, self.cur_retry), error)
                    if wait is None:
                        return result_of(self.exec_fallback(prep_res, error))
                if wait > 0:
                    time.sleep(wait)
        return None

    def _item(self, item: object) -> Any:
        """``exec`` of one item of a batch, read out to a result."""
        return self._tried(item, read_out)

    def as_task(self) -> Task:
        """The task for :func:`batchmill.map`: ``exec`` of one item, with this node's own retries."""
        return OwnRetriesTask(self, Node._item)
