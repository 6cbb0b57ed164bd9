"""A flow: nodes run one after another; the action that each returns picks the next."""

from __future__ import annotations

from typing import Any, cast

from batchmill.concurrency.promises import awaited
from batchmill.executors.contract import Task
from batchmill.flow.branches import starts, walk
from batchmill.flow.calls import NodeCall
from batchmill.flow.flow_tasks import StoreTask
from batchmill.flow.node import AnyNode, BaseNode
from batchmill.flow.typevars import ParamsT, SharedT
from batchmill.flow.walking import Walker, told
from batchmill.flow.warned import class_of
from batchmill.values.tracebacks import warn


class Flow(BaseNode[SharedT, ParamsT, Any, Any]):
    """Runs the nodes reachable from ``start_node``; is itself a node, so flows nest.

    Every visit works on a shallow copy of the node: what it sets on ``self`` is gone at the next visit, and
    params from the flow never change the program's own node.
    """

    start_node: AnyNode

    def __init__(self, start: AnyNode = None) -> None:
        super().__init__()
        self.start_node = start

    def start(self, start: object) -> Any:
        """Set the start node and return it, so that ``>>`` can follow."""
        self.start_node = start
        return start

    def get_next_node(self, curr: AnyNode, action: str | None) -> AnyNode:
        """The node that follows ``curr`` for ``action``, None at the end.

        Warns if ``curr`` has successors, but none for this action.
        """
        named = action or "default"
        successor = curr.successors.get(named)
        if successor is None and curr.successors and named not in curr.successors:
            warn(f"Flow ends: '{action}' not found in {list(curr.successors)}, after {class_of(curr)}")
        return successor

    def _orch(self, shared: SharedT, params: object = None) -> Any:
        walker = Walker(self, shared, params or dict(cast(Any, self.params)))
        return told(walker.make(walk(self, starts(self.start_node))))

    def _run(self, shared: SharedT) -> Any:
        with NodeCall(self, shared) as call:
            prep_res = awaited(self.prep(shared))
            last_action = self._orch(shared)
            call.tell(call.last)
            return awaited(self.post(shared, prep_res, last_action))

    def post(self, shared: SharedT, prep_res: Any, exec_res: Any) -> Any:
        """Return the last node's action, so that an outer flow branches by it."""
        return exec_res

    def as_task(self) -> Task:
        """The task for :func:`batchmill.map`: the whole flow, with the item (a mapping) as shared store."""
        return StoreTask(self)
