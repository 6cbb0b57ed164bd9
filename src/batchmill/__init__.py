"""batchmill: run one workflow document over thousands of items, on threads or on processes.

The names below are loaded when they are first used, so that ``import batchmill`` and the command line
start without paying for validation, processes or HTTP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchmill.batch import BatchResult
    from batchmill.errors import (
        AttemptTimeout,
        BatchFailed,
        BatchmillError,
        ClusterLost,
        ExecutorUnavailable,
        InitializerFailed,
        InternalError,
        Interrupted,
        InvalidDocument,
        InvalidParams,
        InvalidSetting,
        ItemFailed,
        LeftOnWorker,
        MissingExtra,
        NodeError,
        NotCopyable,
        NotPicklable,
        Problem,
        RemoteTraceback,
        RunLocked,
        StorageError,
        TemplateError,
        UnknownRun,
        UnknownSetting,
        UnresolvedReference,
    )
    from batchmill.executors.ending import shutdown
    from batchmill.flow import (
        AsyncBatchFlow,
        AsyncBatchNode,
        AsyncFlow,
        AsyncNode,
        AsyncParallelBatchFlow,
        AsyncParallelBatchNode,
        BaseNode,
        BatchFlow,
        BatchNode,
        DocumentNode,
        Flow,
        Node,
    )
    from batchmill.mapping.api import imap, map, starmap  # noqa: A004  # named like executor.map
    from batchmill.mapping.awaited import aimap, amap
    from batchmill.mapping.reporting import ItemResult
    from batchmill.runs.result import RunResult
    from batchmill.runs.resume import resume
    from batchmill.runs.run import run

__version__ = "0.1.0"

_HOMES = {
    "batchmill.runs.result": ("RunResult",),
    "batchmill.runs.resume": ("resume",),
    "batchmill.runs.run": ("run",),
    "batchmill.batch": ("BatchResult",),
    "batchmill.mapping.api": ("imap", "map", "starmap"),
    "batchmill.mapping.awaited": ("aimap", "amap"),
    "batchmill.mapping.reporting": ("ItemResult",),
    "batchmill.executors.ending": ("shutdown",),
    "batchmill.flow": (
        "AsyncBatchFlow",
        "AsyncBatchNode",
        "AsyncFlow",
        "AsyncNode",
        "AsyncParallelBatchFlow",
        "AsyncParallelBatchNode",
        "BaseNode",
        "BatchFlow",
        "BatchNode",
        "DocumentNode",
        "Flow",
        "Node",
    ),
    "batchmill.errors": (
        "AttemptTimeout",
        "BatchFailed",
        "BatchmillError",
        "ClusterLost",
        "ExecutorUnavailable",
        "InitializerFailed",
        "InternalError",
        "Interrupted",
        "InvalidDocument",
        "InvalidParams",
        "InvalidSetting",
        "ItemFailed",
        "LeftOnWorker",
        "MissingExtra",
        "NodeError",
        "NotCopyable",
        "NotPicklable",
        "Problem",
        "RemoteTraceback",
        "RunLocked",
        "StorageError",
        "TemplateError",
        "UnknownRun",
        "UnknownSetting",
        "UnresolvedReference",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncBatchFlow",
    "AsyncBatchNode",
    "AsyncFlow",
    "AsyncNode",
    "AsyncParallelBatchFlow",
    "AsyncParallelBatchNode",
    "AttemptTimeout",
    "BaseNode",
    "BatchFailed",
    "BatchFlow",
    "BatchNode",
    "BatchResult",
    "BatchmillError",
    "ClusterLost",
    "DocumentNode",
    "ExecutorUnavailable",
    "Flow",
    "InitializerFailed",
    "InternalError",
    "Interrupted",
    "InvalidDocument",
    "InvalidParams",
    "InvalidSetting",
    "ItemFailed",
    "ItemResult",
    "LeftOnWorker",
    "MissingExtra",
    "Node",
    "NodeError",
    "NotCopyable",
    "NotPicklable",
    "Problem",
    "RemoteTraceback",
    "RunLocked",
    "RunResult",
    "StorageError",
    "TemplateError",
    "UnknownRun",
    "UnknownSetting",
    "UnresolvedReference",
    "__version__",
    "aimap",
    "amap",
    "imap",
    "map",
    "resume",
    "run",
    "shutdown",
    "starmap",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'batchmill' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
