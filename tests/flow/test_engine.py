"""Batch classes on the engine: the same results on every executor, its policies, its outcomes."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

import batchmill
from batchmill.errors import BatchFailed, InvalidSetting
from batchmill.flow import (
    AsyncBatchFlow,
    AsyncBatchNode,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    BatchOptions,
    BatchResults,
    Flow,
    Node,
    current_recorder,
)
from batchmill.record import Recorder

EXECUTORS = ["sequential", "thread", "process"]


class Square(BatchNode):
    """Fails for negative numbers, the first time for odd ones."""

    def prep(self, shared):
        return shared["items"]

    def exec(self, n):
        current_recorder().append({"n": n, "retry": self.cur_retry})
        if n < 0 or (n % 2 and self.cur_retry == 0):
            raise ValueError(f"cannot do {n}")
        return n * n, self.params.get("k"), self.cur_retry

    def post(self, shared, prep_res, exec_res):
        return exec_res


class SquareOrZero(Square):
    def exec_fallback(self, n, exc):
        return 0, str(exc), self.cur_retry


class Squares:
    async def prep_async(self, shared):
        return shared["items"]

    async def exec_async(self, n):
        await asyncio.sleep(0)
        return Square.exec(self, n)

    async def exec_fallback_async(self, n, exc):
        await asyncio.sleep(0)
        return 0, str(exc), self.cur_retry

    async def post_async(self, shared, prep_res, exec_res):
        return exec_res


class AsyncSquare(Squares, AsyncBatchNode):
    """One item after another."""


class ParallelSquare(Squares, AsyncParallelBatchNode):
    """All at once."""


def run(node, *items, **shared):
    store = {"items": list(items), **shared}
    if isinstance(node, AsyncNode):
        return asyncio.run(node.run_async(store)), store
    return node.run(store), store


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", [SquareOrZero, AsyncSquare, ParallelSquare])
def test_every_executor_gives_the_same_results_retries_and_records(kind, executor):
    node = kind(max_retries=2, executor=executor, max_concurrent=2)
    node.set_params({"k": 7})
    results, store = run(node, 0, 1, 2, -3, 4)
    assert results == [(0, 7, 0), (1, 7, 1), (4, 7, 0), (0, "cannot do -3", 1), (16, 7, 0)]
    assert isinstance(results, BatchResults)
    assert results.errors == []
    assert results.metadata["executor"] == executor
    tries = [(call["n"], call["retry"]) for call in store["__llm_calls__"]]
    assert tries == [(0, 0), (1, 0), (1, 1), (2, 0), (-3, 0), (-3, 1), (4, 0)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_failed_batch_raises_and_carries_the_finished_part(executor):
    items = [0, -1, *range(2, 1000, 2)]
    with pytest.raises(
        BatchFailed, match="first: item 1 after 1 attempt: ValueError: cannot do -1"
    ) as caught:
        run(Square(executor=executor, max_concurrent=1, chunk_size=1), *items)
    result = caught.value.result
    assert result[:2] == [(0, None, 0), None]
    assert (len(result), result[-1]) == (len(items), None)
    assert {error["kind"] for error in result.errors} == {"exception", "cancelled"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_failures_may_be_gone_past(executor):
    results, _ = run(Square(executor=executor, error_handling="continue"), 0, -1, 2)
    assert results == [(0, None, 0), None, (4, None, 0)]
    assert results.errors[0].pop("traceback").endswith("ValueError: cannot do -1\n")
    assert results.errors == [
        {
            "index": 1,
            "item": -1,
            "type": "ValueError",
            "message": "cannot do -1",
            "attempts": 1,
            "kind": "exception",
        }
    ]


def test_policies_without_an_executor_run_one_after_another():
    results, _ = run(Square(error_handling="continue"), 0, -1, 2)
    assert results.metadata["executor"] == "sequential"
    assert results == [(0, None, 0), None, (4, None, 0)]


def test_a_bound_without_an_executor_means_threads():
    results, _ = run(Square(max_concurrent=2), 0, 2)
    assert (results.metadata["executor"], results.metadata["workers"]) == ("thread", 2)


def test_options_may_stand_on_the_class_or_be_set_later():
    class Threaded(Square):
        batch_options = BatchOptions(executor="thread")

    assert run(Threaded(), 2)[0].metadata["executor"] == "thread"
    node = Square()
    node.batch_options = BatchOptions(executor="process")
    assert run(node, 2)[0].metadata["executor"] == "process"


def test_an_attribute_of_the_programs_own_by_that_name_says_nothing():
    node = Square()
    node.batch_options = {"size": 3}
    assert type(run(node, 2)[0]) is list


def test_more_attempts_than_the_engine_makes_are_refused_only_there():
    assert run(SquareOrZero(max_retries=50), -1)[0] == [(0, "cannot do -1", 49)]
    with pytest.raises(InvalidSetting, match="`max_retries` must be a whole number from 1 to 10, not 50"):
        run(SquareOrZero(max_retries=50, executor="thread"), -1)


def test_worker_threads_work_on_copies_and_share_tools():
    class Marks(BatchNode):
        def __init__(self):
            super().__init__(executor="thread", max_concurrent=4)
            self.lock, self.log = threading.Lock(), []
            self.meeting = threading.Barrier(4)

        def prep(self, shared):
            return range(4)

        def exec(self, n):
            self.meeting.wait(10)
            self.log.append(n)
            with self.lock:
                return self.log

        def post(self, shared, prep_res, exec_res):
            return exec_res

    node = Marks()
    assert sorted(node.run({})) == [[0], [1], [2], [3]]
    assert node.log == []


def test_items_run_in_other_processes():
    class Where(BatchNode):
        def prep(self, shared):
            return range(4)

        def exec(self, n):
            return os.getpid()

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert os.getpid() not in Where(executor="process", max_concurrent=2).run({})
    assert set(Where(executor="thread").run({})) == {os.getpid()}


def test_a_sync_batch_node_may_define_exec_async():
    class Waits(BatchNode):
        def prep(self, shared):
            return range(200)

        async def exec_async(self, n):
            await asyncio.sleep(0.001)
            if n % 2 and self.cur_retry == 0:
                raise ValueError
            return n, self.cur_retry

        def post(self, shared, prep_res, exec_res):
            return exec_res

    node = Waits(max_retries=2, executor="thread", max_concurrent=200)
    assert node.run({}) == [(n, n % 2) for n in range(200)]


class Filter(Node):
    """Adds to the store in every way a node does."""

    def __init__(self, names):
        super().__init__()
        self.names = names
        self.state = []

    def prep(self, shared):
        self.state.append(self.params["n"])
        return self.params["n"], shared["factor"]

    def exec(self, prep_res):
        n, factor = prep_res
        if n < 0:
            raise ValueError(f"cannot do {n}")
        return n * factor

    def post(self, shared, prep_res, exec_res):
        n = self.params["n"]
        shared.setdefault("by_number", {})[n] = (exec_res, list(self.state))
        shared["log"].append(n)
        shared["__llm_calls__"].append({"n": n})
        return "again" if len(self.state) < 2 and n == 1 else f"end {n}"


class Filters(BatchFlow):
    def prep(self, shared):
        return [{"n": n} for n in shared["numbers"]]

    def post(self, shared, prep_res, exec_res):
        return exec_res


class AsyncFilter(AsyncNode):
    def __init__(self, names):
        super().__init__()
        self.names = names
        self.state = []

    async def prep_async(self, shared):
        await asyncio.sleep(0)
        return Filter.prep(self, shared)

    async def exec_async(self, prep_res):
        return Filter.exec(self, prep_res)

    async def post_async(self, shared, prep_res, exec_res):
        return Filter.post(self, shared, prep_res, exec_res)


class FiltersLater:
    async def prep_async(self, shared):
        return Filters.prep(self, shared)

    async def post_async(self, shared, prep_res, exec_res):
        return exec_res


class AsyncFilters(FiltersLater, AsyncBatchFlow):
    """One entry after another."""


class ParallelFilters(FiltersLater, AsyncParallelBatchFlow):
    """All at once."""


def filtered(kind, numbers, **options):
    """A run of a batch flow in which entry 1 visits its node twice."""
    node = (Filter if kind is Filters else AsyncFilter)("abc")
    node - "again" >> node
    flow = kind(start=node, **options)
    flow.set_params({"own": True})
    store = {"numbers": numbers, "factor": 10, "log": ["start"], "__llm_calls__": Recorder()}
    if kind is Filters:
        return flow.run(store), store, node
    return asyncio.run(flow.run_async(store)), store, node


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", [Filters, AsyncFilters, ParallelFilters])
@pytest.mark.filterwarnings("ignore:Flow ends")
def test_batch_flows_give_the_same_store_on_every_executor(kind, executor):
    actions, store, node = filtered(kind, [0, 1, 2], executor=executor)
    assert actions == ["end 0", "end 1", "end 2"]
    assert store["by_number"] == {0: (0, [0]), 1: (10, [1, 1]), 2: (20, [2])}
    assert sorted(store["log"][1:]) == [0, 1, 1, 2]
    assert sorted(call["n"] for call in store["__llm_calls__"]) == [0, 1, 1, 2]
    assert (node.state, node.params) == ([], {})


@pytest.mark.filterwarnings("ignore:Flow ends")
def test_processes_bring_changes_back_in_the_order_of_entries():
    _, store, _ = filtered(Filters, list(range(2, 40)), executor="process", max_concurrent=2, chunk_size=1)
    assert store["log"] == ["start", *range(2, 40)]
    assert [call["n"] for call in store["__llm_calls__"]] == list(range(2, 40))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.filterwarnings("ignore:Flow ends")
def test_what_failed_entries_leave_out_the_others_have_done(executor):
    with pytest.raises(BatchFailed, match="cannot do -1"):
        filtered(Filters, [2, -1], executor=executor, max_concurrent=1, chunk_size=1)
    actions, store, _ = filtered(Filters, [2, -1, 3], executor=executor, error_handling="continue")
    assert actions == ["end 2", None, "end 3"]
    assert actions.errors[0]["item"] == {"n": -1}
    assert store["by_number"] == {2: (20, [2]), 3: (30, [3])}


def test_a_store_that_is_no_mapping_stays_in_this_process():
    class Store:
        numbers = [1]  # noqa: RUF012  # read only

    class Plain(BatchFlow):
        def prep(self, shared):
            return [{"n": n} for n in shared.numbers]

    Plain(Node(), executor="thread").run(Store())
    with pytest.raises(InvalidSetting, match="needs a dict as shared store, not Store"):
        Plain(Node(), executor="process").run(Store())


def test_cancelling_an_awaited_batch_ends_it():
    class Waits(AsyncBatchNode):
        async def prep_async(self, shared):
            return range(100)

        async def exec_async(self, n):
            began.append(n)
            await asyncio.sleep(0.02)

    async def main():
        running = asyncio.ensure_future(Waits(executor="thread", max_concurrent=2).run_async({}))
        while not began:
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return len(began)

    began: list[int] = []
    count = asyncio.run(main())
    assert count == len(began) < 100


def test_the_first_failure_may_cut_off_what_runs():
    class Hangs(BatchNode):
        def prep(self, shared):
            return range(2)

        def exec(self, n):
            if n == 0:
                started.wait(10)
                raise ValueError
            started.set()
            release.wait(10)

    started, release = threading.Event(), threading.Event()
    with pytest.raises(BatchFailed) as caught:
        Hangs(executor="thread", max_concurrent=2, on_failure="cancel").run({})
    release.set()
    assert [error["kind"] for error in caught.value.result.errors] == ["exception", "cancelled"]


def test_map_runs_a_node_with_its_own_retries():
    assert list(batchmill.map(SquareOrZero(max_retries=2), [0, 1, -1])) == [
        (0, None, 0),
        (1, None, 1),
        (0, "cannot do -1", 1),
    ]
    result = batchmill.map(AsyncSquare(max_retries=2), [0, 1, -1], executor="process")
    assert list(result) == [(0, None, 0), (1, None, 1), (0, "cannot do -1", 1)]
    assert len(result.records) == 5


@pytest.mark.parametrize("executor", EXECUTORS)
def test_map_runs_a_flow_on_a_store_per_item(executor):
    class Adds(Node):
        def post(self, shared, prep_res, exec_res):
            shared["sum"] = shared["a"] + shared["b"]

    items = [{"a": n, "b": 1} for n in range(3)]
    assert list(batchmill.map(Flow(Adds()), items, executor=executor)) == [
        {**item, "sum": item["a"] + 1} for item in items
    ]
