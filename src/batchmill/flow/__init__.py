"""PocketFlow's classes: a node prepares, executes and posts; flows connect nodes by actions.

A PocketFlow program runs after changing its import line. The batch classes can be given an executor
and the policies of a document's batch block, and then run on the engine documents run on.
"""

from batchmill.flow.async_batch import (
    AsyncBatchFlow,
    AsyncBatchNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
)
from batchmill.flow.async_flow import AsyncFlow
from batchmill.flow.async_node import AsyncNode
from batchmill.flow.batch import BatchFlow, BatchNode
from batchmill.flow.calls import current_recorder
from batchmill.flow.document import DocumentNode
from batchmill.flow.flow import Flow
from batchmill.flow.node import BaseNode, Node
from batchmill.flow.options import BatchOptions
from batchmill.flow.publishing import publish
from batchmill.flow.results import BatchResults

__all__ = [
    "AsyncBatchFlow",
    "AsyncBatchNode",
    "AsyncFlow",
    "AsyncNode",
    "AsyncParallelBatchFlow",
    "AsyncParallelBatchNode",
    "BaseNode",
    "BatchFlow",
    "BatchNode",
    "BatchOptions",
    "BatchResults",
    "DocumentNode",
    "Flow",
    "Node",
    "current_recorder",
    "publish",
]
