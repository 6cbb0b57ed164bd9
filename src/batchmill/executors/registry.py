"""The executors by name. The process executor is imported only on demand."""

from __future__ import annotations

import importlib

from batchmill.errors import ExecutorUnavailable, InvalidSetting
from batchmill.executors.contract import Executor

KINDS = {
    "sequential": ("batchmill.executors.local.sequential", "SequentialExecutor"),
    "thread": ("batchmill.executors.local.thread", "ThreadExecutor"),
    "process": ("batchmill.executors.process.executor", "ProcessExecutor"),
    "dask": ("batchmill.executors.remote.executor", "RemoteExecutor"),
    "auto": ("batchmill.executors.auto.executor", "AutoExecutor"),
}


def executor_named(name: str) -> Executor:
    """The executor of that name. Raises :class:`InvalidSetting` for an unknown name,
    :class:`ExecutorUnavailable` if this Python lacks a requirement."""
    if name not in KINDS:
        import difflib  # for the error alone

        near = difflib.get_close_matches(name, KINDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidSetting(f"there is no executor {name!r}, only {', '.join(KINDS)}{hint}")
    module, kind = KINDS[name]
    try:
        executor: Executor = getattr(importlib.import_module(module), kind)()
    except ImportError as fault:  # such as a Python that was built without semaphores
        raise ExecutorUnavailable(f"this Python cannot run the executor {name!r}: {fault}") from fault
    return executor
