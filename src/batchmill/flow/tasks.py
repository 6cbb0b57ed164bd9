"""Nodes and flows as tasks of the engine: what an executor runs for one item.

A task carries its own copy of the node, so that worker threads share no state; see
:mod:`batchmill.flow.isolation` for what a copy shares all the same.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.executors.contract import Task
from batchmill.flow.async_node import AsyncNode
from batchmill.flow.calls import LLM_CALLS_KEY, Call
from batchmill.flow.changes import Change, changes_since, imprint
from batchmill.flow.isolation import alone, isolated


def is_async(node: Any) -> bool:
    """Whether a node works by ``exec_async``."""
    return isinstance(node, AsyncNode) or inspect.iscoroutinefunction(getattr(node, "exec_async", None))


def exec_task(node: Any, attempts: int) -> Task:
    """The task that runs ``node.exec`` (or ``exec_async``) on an item, ``attempts`` times at most."""
    return (AsyncExecTask if is_async(node) else ExecTask)(alone(node), attempts)


class ExecTask:
    """One attempt of ``exec``; the last one's failure goes to ``exec_fallback``."""

    def __init__(self, node: Any, attempts: int) -> None:
        self.node = node
        self.attempts = attempts

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        node = self.node
        with Call(node, recorder=attempt.recorder):
            node.cur_retry = attempt.number - 1
            try:
                return node.exec(item)
            except Exception as error:
                if not self._last(attempt, error):
                    raise
                return node.exec_fallback(item, error)

    def _last(self, attempt: Attempt, error: Exception) -> bool:
        return attempt.number >= self.attempts or (isinstance(error, NodeError) and not error.retryable)

    def __deepcopy__(self, memo: dict[int, Any]) -> ExecTask:
        return type(self)(alone(self.node), self.attempts)


class AsyncExecTask(ExecTask):
    """The same for ``exec_async``; an executor that has an event loop awaits ``run_async`` on it."""

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        return asyncio.run(self.run_async(item, index, attempt))

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> Any:
        """One attempt as a coroutine. Many may be under way on one node: the retry is per call."""
        node = self.node
        with Call(node, recorder=attempt.recorder):
            node.cur_retry = attempt.number - 1
            try:
                return await node.exec_async(item)
            except Exception as error:
                if not self._last(attempt, error):
                    raise
                fallback = getattr(node, "exec_fallback_async", None)
                return node.exec_fallback(item, error) if fallback is None else await fallback(item, error)


def flow_for_one_run(flow: Any, isolate: bool = True) -> Any:
    """The flow with nodes of its own. Attributes of the flow itself stay those of the original."""
    twin = copy.copy(flow)
    if isolate:
        twin.start_node = isolated(flow.start_node)
    return twin


class FlowTask:
    """One entry of a batch flow on the program's own shared store; the value is the last action."""

    share = True  # every run copies what it needs, and the store is shared on purpose

    def __init__(self, flow: Any, shared: Any, isolate: bool) -> None:
        self.flow = flow
        self.shared = shared
        self.isolate = isolate

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        flow = flow_for_one_run(self.flow, self.isolate)
        with Call(flow, self.shared):
            return flow._orch(self.shared, {**flow.params, **item})


class AsyncFlowTask(FlowTask):
    """The same for an async flow."""

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        return asyncio.run(self.run_async(item, index, attempt))

    async def run_async(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        """One attempt as a coroutine."""
        flow = flow_for_one_run(self.flow, self.isolate)
        with Call(flow, self.shared):
            return await flow._orch_async(self.shared, {**flow.params, **item})


@dataclass(slots=True)
class FlowEnd:
    """What an entry of a batch flow comes back with from another process."""

    action: Any
    changes: Change | None


class ShippedFlowTask:
    """One entry of a batch flow in another process: on a copy of the store, with the changes as result."""

    def __init__(self, flow: Any, shared: Mapping[str, Any]) -> None:
        self.flow = alone(flow)
        self.shared = {key: value for key, value in shared.items() if key != LLM_CALLS_KEY}

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> FlowEnd:
        store = isolated(self.shared)
        before = imprint(store)
        store[LLM_CALLS_KEY] = attempt.recorder
        action = self._run(store, item)
        recorded = store.pop(LLM_CALLS_KEY, attempt.recorder)
        if recorded is not attempt.recorder:  # a node put a list of its own there
            attempt.recorder.extend(recorded)
        return FlowEnd(action, changes_since(before, store))

    def _run(self, store: dict[str, Any], item: Mapping[str, Any]) -> Any:
        flow = flow_for_one_run(self.flow)
        params = {**flow.params, **item}
        with Call(flow, store):
            return (
                asyncio.run(flow._orch_async(store, params)) if is_async(flow) else flow._orch(store, params)
            )


def flow_task(flow: Any, shared: Any, isolate: bool) -> Task:
    """The task of a batch flow whose entries run in this process."""
    return (AsyncFlowTask if is_async(flow) else FlowTask)(flow, shared, isolate)
