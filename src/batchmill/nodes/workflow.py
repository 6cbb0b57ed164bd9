"""The ``workflow`` node: runs another document as one step.

Running a document takes the scheduler, which is a layer above the nodes. So this file declares the node and
passes the work to a :class:`SubRun`, which the compiler of the document inserts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from batchmill.attempt import Attempt
from batchmill.errors import InternalError
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param

DEFAULT_MAX_DEPTH = 10
MOST_DEPTH = 40
"""Each level takes some twenty of the thousand calls that Python has inside each other."""


class SubRun(Protocol):
    """A compiled sub-workflow in place of one node. Threads share it; it is pickled for processes."""

    def run(self, params: BoundParams, attempt: Attempt, index: int | None) -> NodeResult:
        """Run it once, with a store of its own. ``params`` are the node's, ``index`` the item's position.

        Raises :class:`~batchmill.errors.NodeError` if it fails, with the address of the node inside.
        """


class WorkflowNode(Node):
    """Runs a sub-workflow through ``sub``, which is None while the node is only examined."""

    type = "workflow"
    requests = False
    only_default = True
    summary = "Run another workflow as one step: its inputs go in, its outputs come out."
    params = (
        Param(
            "workflow",
            "string|object",
            "the document: its path, from the folder of this one, or the document itself",
            required=True,
            templates="none",
            content=False,  # what stands in it is
        ),
        Param("inputs", "object", "the values of its inputs, by name"),
        Param(
            "max_depth",
            "integer",
            f"how many workflows may run inside each other, this one counted; {MOST_DEPTH} at most",
            default=DEFAULT_MAX_DEPTH,
            minimum=1,
            content=False,
        ),
    )
    outputs = (Output("error", "string", "why it failed, and which node inside", diagnostic=True),)
    open_outputs = True

    def __init__(self, sub: SubRun | None = None) -> None:
        self._sub = sub

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        faults = []
        path, depth = params.get("workflow"), params.get("max_depth")
        if isinstance(path, str) and "${" in path:
            faults.append(("workflow", "the path is read before the run and cannot hold templates"))
        if isinstance(depth, int) and depth > MOST_DEPTH:
            faults.append(("max_depth", f"param 'max_depth' must be {MOST_DEPTH} or less, not {depth}"))
        return faults

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        return self._ready().run(params, attempt, None)

    def run_item(self, params: Mapping[str, object], attempt: Attempt, index: int) -> NodeResult:
        """The same as :meth:`run` for the item at position ``index`` of a batch."""
        return self._ready().run(params, attempt, index)

    def _ready(self) -> SubRun:
        if self._sub is None:
            raise InternalError("a workflow node was run without its compiled sub-workflow")
        return self._sub
