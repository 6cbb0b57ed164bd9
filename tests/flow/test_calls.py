"""The retry counter belongs to a call: threads, tasks and nested runs of one node do not see each other's."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.errors import InvalidSetting, NodeError
from batchmill.flow import (
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchNode,
    Flow,
    Node,
    current_recorder,
)
from batchmill.record import Recorder

THREADS = 16


class FailsTwice(Node):
    """Fails while its counter says so; an attempt that is skipped or repeated shows in the result."""

    def exec(self, prep_res):
        before = self.cur_retry
        self.meet()
        assert self.cur_retry == before, "another call moved this one's counter"
        prep_res.append(before)
        if before < 2:
            raise ValueError(before)
        return prep_res

    def meet(self):
        """Give others a chance to interfere."""

    def exec_fallback(self, prep_res, exc):
        raise AssertionError(f"taken for the last attempt after {prep_res}") from exc

    def prep(self, shared):
        return shared["attempts"]

    def post(self, shared, prep_res, exec_res):
        return self.cur_retry, list(exec_res)


def test_many_threads_on_one_node_retry_each_for_itself():
    node = FailsTwice(max_retries=4)
    together = threading.Barrier(THREADS)

    def run(_):
        together.wait()
        return [node.run({"attempts": []}) for _ in range(40)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = [result for part in pool.map(run, range(THREADS)) for result in part]
    assert results == [(2, [0, 1, 2])] * (40 * THREADS)


def test_threads_that_stand_at_different_retries_at_the_same_moment():
    class Meets(Node):
        def exec(self, name):
            if name == "ahead" and self.cur_retry == 0:
                raise ValueError
            meeting.wait(10)
            mine = self.cur_retry
            meeting.wait(10)
            return name, mine, self.cur_retry

    meeting = threading.Barrier(2)
    node = Meets(max_retries=2)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(node._exec, ["ahead", "behind"]))
    assert results == [("ahead", 1, 1), ("behind", 0, 0)]


def test_tasks_of_one_loop_on_one_node_retry_each_for_itself():
    class Batch(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(500)

        async def exec_async(self, item):
            for _ in range(item % 5):
                before = self.cur_retry
                await asyncio.sleep(0)
                assert self.cur_retry == before
            attempts.setdefault(item, []).append(self.cur_retry)
            if self.cur_retry < item % 4:
                raise ValueError
            return item

        async def exec_fallback_async(self, item, exc):
            raise AssertionError(f"item {item} was given up after {attempts[item]}") from exc

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    attempts: dict[int, list[int]] = {}
    assert asyncio.run(Batch(max_retries=4).run_async({})) == list(range(500))
    assert attempts == {item: list(range(item % 4 + 1)) for item in range(500)}


def test_one_first_failure_is_not_taken_for_anothers_last():
    class Pair(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return ["slow", "fast"]

        async def exec_async(self, item):
            attempt = self.cur_retry
            await asyncio.sleep(0.02 if item == "slow" else 0)
            if attempt == 0:
                raise ValueError(item)
            return item, attempt

        async def exec_fallback_async(self, item, exc):
            return item, "fallback"

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    assert asyncio.run(Pair(max_retries=2).run_async({})) == [("slow", 1), ("fast", 1)]


def test_a_node_inside_a_node_of_the_same_object_has_a_counter_of_its_own():
    class Nested(Node):
        def exec(self, depth):
            if not depth:
                return "inner", self.cur_retry
            if self.cur_retry == 0:
                raise ValueError
            inner = self._exec(depth - 1)
            return inner, self.cur_retry

        def prep(self, shared):
            return 1

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert Nested(max_retries=3).run({}) == (("inner", 0), 1)


def test_a_thread_started_inside_exec_reads_the_latest_value():
    class Spawns(Node):
        def exec(self, prep_res):
            if self.cur_retry == 0:
                raise ValueError
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: self.cur_retry).result()

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert Spawns(max_retries=2).run({}) == 1


def test_outside_of_a_call_the_counter_is_that_of_the_last_one():
    node = FailsTwice(max_retries=3)
    assert node.cur_retry == 0
    node.run({"attempts": []})
    assert node.cur_retry == 2
    node.cur_retry = 7
    assert (node.cur_retry, vars(node)["cur_retry"]) == (7, 7)


@pytest.mark.parametrize("arguments", [{"max_retries": 0}, {"max_retries": -1}, {"wait": -1}])
@pytest.mark.parametrize("kind", [Node, AsyncNode, BatchNode])
def test_numbers_that_make_no_sense_are_refused(kind, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))) as caught:
        kind(**arguments)
    assert isinstance(caught.value, InvalidSetting)


def test_a_failure_that_another_attempt_cannot_mend_is_not_tried_again():
    class Hopeless(Node):
        def exec(self, prep_res):
            calls.append(self.cur_retry)
            raise NodeError("no such file", retryable=False)

    calls: list[int] = []
    with pytest.raises(NodeError):
        Hopeless(max_retries=5).run({})
    assert calls == [0]


def test_the_recorder_of_a_run_is_in_its_store():
    class Calls(Node):
        def prep(self, shared):
            current_recorder().append("prep")

        def exec(self, prep_res):
            current_recorder().append("exec")

    shared: dict = {}
    calls = Calls()
    calls >> Calls()
    Flow(calls).run(shared)
    assert isinstance(shared["__llm_calls__"], Recorder)
    assert shared["__llm_calls__"] == ["prep", "exec"] * 2


def test_a_list_of_the_programs_own_is_recorded_into():
    class Calls(Node):
        def exec(self, prep_res):
            current_recorder().append(1)

    mine: list[int] = []
    Calls().run({"__llm_calls__": mine})
    assert mine == [1]


def test_a_run_that_records_nothing_leaves_the_store_alone():
    shared: dict = {}
    Flow(Node()).run(shared)
    assert shared == {}


def test_there_is_no_recorder_outside_of_a_run():
    with pytest.raises(RuntimeError, match="inside a node"):
        current_recorder()


@pytest.mark.parametrize(
    "times", [2_000, pytest.param(100_000, marks=pytest.mark.slow)], ids=["quick", "full"]
)
def test_appends_from_32_threads_are_all_kept(times):
    class Appends(Node):
        def post(self, shared, prep_res, exec_res):
            together.wait()
            for number in range(times):
                shared["__llm_calls__"].append(number)

    together = threading.Barrier(32)
    shared = {"__llm_calls__": Recorder()}
    node = Appends()
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: node.run(shared), range(32)))
    assert len(shared["__llm_calls__"]) == 32 * times
    assert sum(shared["__llm_calls__"]) == 32 * (times * (times - 1) // 2)


def test_threads_that_need_the_first_recorder_get_the_same_one():
    class Appends(Node):
        def exec(self, prep_res):
            together.wait()
            current_recorder().append(1)

    together = threading.Barrier(8)
    for _ in range(20):
        shared: dict = {}
        node = Appends()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, shared=shared, node=node: node.run(shared), range(8)))
        assert len(shared["__llm_calls__"]) == 8


def test_an_entry_whose_failure_is_pointless_to_repeat_is_not_tried_again():
    tries = []

    class Refused(AsyncNode):
        async def prep_async(self, shared):
            tries.append(1)
            raise NodeError("no such model", retryable=False)

    class Entries(AsyncParallelBatchFlow):
        max_retries = 4

        async def prep_async(self, shared):
            return [{}]

    with pytest.raises(NodeError, match="no such model"):
        asyncio.run(Entries(start=Refused()).run_async({}))
    assert len(tries) == 1
