"""Batches: a node whose ``exec`` is called per item, a flow that runs per entry of params."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack, cast

from batchmill.concurrency.promises import awaited
from batchmill.flow.calls import NodeCall
from batchmill.flow.engine import exec_batch, flow_batch
from batchmill.flow.flow import Flow
from batchmill.flow.keeping import batch_visit, visit_of
from batchmill.flow.node import AnyNode, Node, read_out
from batchmill.flow.options import DEFAULTS, BatchKeywords, BatchOptions, FlowKeywords, options_of
from batchmill.flow.typevars import ParamsT, SharedT


class BatchNode(Node[SharedT, ParamsT, Any, Any]):
    """``prep`` returns the items, ``exec`` works on one of them, ``post`` gets the list of results.

    Without options, items run one after another on this very object. With options (see
    :class:`~batchmill.flow.options.BatchOptions`) they run on the engine: threads and processes have copies
    of the node, ``max_retries`` and ``wait`` are the engine's, the results are a
    :class:`~batchmill.flow.results.BatchResults`, and a batch that fails raises
    :class:`~batchmill.errors.BatchFailed` with the finished part.
    """

    batch_options: BatchOptions | None = None

    def __init__(self, max_retries: int = 1, wait: float = 0, **options: Unpack[BatchKeywords]) -> None:
        if options:
            self.batch_options = BatchOptions(**options)
        super().__init__(max_retries, options.get("retry_wait", wait))

    def _exec(self, items: Iterable[Any] | None) -> Any:
        options, one = options_of(self), super()._exec
        if options != DEFAULTS:
            return exec_batch(self, items or [], options)
        visit = visit_of(self)
        if visit is None:
            return [one(item) for item in (items or [])]
        return [visit.item(item, index, one) for index, item in enumerate(items or [])]

    def _kept(self, call: NodeCall, prep_res: Any) -> Any:
        with batch_visit(call):
            return self._exec(prep_res)

    def _tried(self, prep_res: object, result_of: Callable[[Any], object]) -> Any:
        return super()._tried(prep_res, read_out)  # of an item, whatever asks for it


class BatchFlow(Flow[SharedT, ParamsT]):
    """``prep`` returns entries of params; the flow runs once for each, with the entry over its own params.

    Without options, entries run one after another. With options (see
    :class:`~batchmill.flow.options.BatchOptions`) they run on the engine, each on its own nodes, and ``post``
    gets the list of last actions, or with ``results=True`` the list of what ``exec`` of the last node
    returned.
    """

    batch_options: BatchOptions | None = None

    def __init__(self, start: AnyNode = None, **options: Unpack[FlowKeywords]) -> None:
        super().__init__(start)
        if options:
            self.batch_options = BatchOptions(**options)

    def _run(self, shared: SharedT) -> Any:
        with NodeCall(self, shared):
            entries: Iterable[Mapping[str, Any]] = awaited(self.prep(shared)) or []
            options = options_of(self)
            if options != DEFAULTS:
                return awaited(self.post(shared, entries, flow_batch(self, shared, entries, options)))
            for entry in entries:
                self._orch(shared, {**cast(Any, self.params), **entry})
            return awaited(self.post(shared, entries, None))
