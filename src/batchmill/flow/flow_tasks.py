"""Flows as tasks of the engine: what an executor runs for one entry of a batch flow."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.executors.contract import Task
from batchmill.flow.calls import NodeCall, innermost
from batchmill.flow.changes import changes_since, imprint
from batchmill.flow.flow_end import FlowEnd
from batchmill.flow.isolation import alone, detached, isolated
from batchmill.flow.item_tasks import is_async
from batchmill.flow.keeping import place_here
from batchmill.step import LLM_CALLS_KEY


def flow_for_one_run(flow: Any, isolate: bool = True) -> Any:
    """The flow with its own nodes, but the original's flow attributes; or the flow itself, which makes a
    shallow copy of a node for each visit."""
    if not isolate:
        return flow
    twin = copy.copy(flow)
    twin.start_node = isolated(flow.start_node)
    return twin


class FlowTask(Task):
    """One entry of a batch flow on the program's own shared store; the value is the last action, or with
    ``results`` what ``exec`` of the last node returned."""

    share = True  # every run copies what it needs, and the store is shared on purpose

    def __init__(self, flow: object, shared: object, isolate: bool, results: bool = False) -> None:
        self.flow = flow
        self.shared = shared
        self.isolate = isolate
        self.results = results
        self._around = innermost()

    def _call(self, flow: object, index: int) -> NodeCall:
        """The call of an entry, on any thread: within the call in which the task was made."""
        call = NodeCall(flow, self.shared)
        if self._around is not None and self._around.run is not None:
            call.run = self._around.run
            call.place = place_here(call.run, self._around)
        return call

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        flow = flow_for_one_run(self.flow, self.isolate)
        with self._call(flow, index) as call:
            action = flow._orch(self.shared, {**flow.params, **item})
            return call.last if self.results else action


class AsyncFlowTask(FlowTask):
    """The same for an async flow."""

    awaits = True

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        return run_coroutine(
            lambda: self.run_async(item, index, attempt), attempt.cancel, attempt.remaining()
        )

    async def run_async(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> Any:
        """One attempt as a coroutine."""
        flow = flow_for_one_run(self.flow, self.isolate)
        with self._call(flow, index) as call:
            action = await flow._orch_async(self.shared, {**flow.params, **item})
            return call.last if self.results else action


class ShippedFlowTask(Task):
    """One entry of a batch flow in another process: on a copy of the store, with the changes as result."""

    def __init__(self, flow: object, shared: Mapping[str, object], results: bool = False) -> None:
        self.flow = detached(flow)
        self.results = results
        self.shared: dict[str, Any] = {key: value for key, value in shared.items() if key != LLM_CALLS_KEY}

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> FlowEnd:
        store = isolated(self.shared)
        before = imprint(store)
        store[LLM_CALLS_KEY] = attempt.recorder
        value = self._run(store, item, attempt)
        recorded = store.pop(LLM_CALLS_KEY, attempt.recorder)
        if recorded is not attempt.recorder:  # a node put a list of its own there
            attempt.recorder.extend(recorded)
        return FlowEnd(value, changes_since(before, store))

    def _run(self, store: dict[str, object], item: Mapping[str, object], attempt: Attempt) -> Any:
        flow = flow_for_one_run(self.flow)
        params = {**flow.params, **item}
        if is_async(flow):
            return run_coroutine(lambda: self._run_async(flow, store, params), attempt.cancel)
        with NodeCall(flow, store) as call:
            action = flow._orch(store, params)
            return call.last if self.results else action

    async def _run_async(self, flow: Any, store: dict[str, object], params: dict[str, object]) -> Any:
        with NodeCall(flow, store) as call:
            action = await flow._orch_async(store, params)
            return call.last if self.results else action


def flow_task(flow: object, shared: object, isolate: bool, results: bool) -> Task:
    """The task of a batch flow whose entries run in this process."""
    return (AsyncFlowTask if is_async(flow) else FlowTask)(flow, shared, isolate, results)


class StoreTask(Task):
    """A whole flow on a store of each item's own: the item is the store, the value what became of it."""

    def __init__(self, flow: object) -> None:
        self.flow = flow

    def run(self, item: Mapping[str, Any], index: int, attempt: Attempt) -> dict[str, Any]:
        flow = flow_for_one_run(self.flow)
        store = {**item, LLM_CALLS_KEY: attempt.recorder}
        if is_async(flow):
            run_coroutine(lambda: flow._run_async(store), attempt.cancel)
        else:
            flow._run(store)
        del store[LLM_CALLS_KEY]
        return store

    def __deepcopy__(self, memo: dict[int, object]) -> StoreTask:
        return StoreTask(alone(self.flow))

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreTask, (detached(self.flow),)
