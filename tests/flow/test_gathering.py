"""Bounded gathering: order, limit, the first failure, and that no task is left behind however it ends."""

from __future__ import annotations

import asyncio

import pytest

from batchmill.errors import AttemptTimeout, BatchFailed, InvalidSetting
from batchmill.flow import AsyncBatchNode, AsyncNode, AsyncParallelBatchFlow, AsyncParallelBatchNode
from batchmill.flow.gathering import BoundedGather

WAITING = 30.0  # seconds no test waits for: what sleeps this long is cancelled


class Counted:
    """Work that knows how much of it is under way."""

    def __init__(self, sleep=0.0):
        self.now = self.most = self.begun = self.ended = 0
        self.sleep = sleep

    async def __call__(self, item, index):
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.sleep)
            return item * 2
        finally:
            self.now -= 1
            self.ended += 1


@pytest.mark.parametrize(("limit", "most"), [(None, 50), (1, 1), (7, 7), (100, 50)])
def test_no_more_than_the_limit_at_once_and_results_in_order(limit, most):
    work = Counted()
    assert asyncio.run(BoundedGather(work, limit=limit).run(range(50))) == [2 * n for n in range(50)]
    assert work.most == most


def test_items_are_taken_as_places_become_free():
    async def main():
        def items():
            for n in range(20):
                ahead.append(n - work.ended)
                yield n

        work, ahead = Counted(), []
        await BoundedGather(work, limit=4).run(items())
        assert max(ahead) <= 4

    asyncio.run(main())


async def outcome_of(gathering, items):
    """The exception the run ends with, and the tasks it leaves."""
    before = asyncio.all_tasks()
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # which one is for the test to say
        await gathering.run(items)
    return caught.value, asyncio.all_tasks() - before


def test_the_first_failure_cancels_those_under_way_and_waits_for_them():
    async def work(item, index):
        try:
            await asyncio.sleep(0.001 if item == 3 else WAITING)
        finally:
            await asyncio.sleep(0)  # cleaning up takes its turn too
            ended.append(item)
        raise LookupError(item)

    ended: list[int] = []
    error, left = asyncio.run(outcome_of(BoundedGather(work), range(5)))
    assert isinstance(error, LookupError)
    assert error.args == (3,)
    assert (sorted(ended), left) == ([0, 1, 2, 3, 4], set())


def test_the_first_failure_may_let_the_others_finish_and_starts_no_more():
    async def work(item, index):
        await asyncio.sleep(0.001 * (item + 1))
        ended.append(item)
        if item in (0, 2):
            raise LookupError(item)

    ended: list[int] = []
    error, left = asyncio.run(outcome_of(BoundedGather(work, limit=3, on_failure="finish"), range(9)))
    assert error.args == (0,)
    assert (ended, left) == ([0, 1, 2], set())


@pytest.mark.parametrize("limit", [None, 3])
def test_cancelling_the_run_ends_every_task_first(limit):
    async def main():
        running = asyncio.ensure_future(BoundedGather(work, limit=limit).run(range(10)))
        await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return asyncio.all_tasks() - {asyncio.current_task()}

    work = Counted(WAITING)
    assert asyncio.run(main()) == set()
    assert work.begun == work.ended == (limit or 10)


def test_a_run_cancelled_twice_still_waits_for_its_tasks():
    async def work(item, index):
        try:
            await asyncio.sleep(WAITING)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)
            ended.append(item)
            raise

    async def main():
        running = asyncio.ensure_future(BoundedGather(work).run(range(3)))
        for _ in range(3):
            await asyncio.sleep(0.002)
            running.cancel()
        await asyncio.wait([running])
        return asyncio.all_tasks() - {asyncio.current_task()}

    ended: list[int] = []
    assert asyncio.run(main()) == set()


def test_an_items_source_that_fails_ends_what_was_started():
    def items():
        yield 1
        yield 2
        raise OSError("the file went away")

    work = Counted(WAITING)
    error, left = asyncio.run(outcome_of(BoundedGather(work), items()))
    assert isinstance(error, OSError)
    assert left == set()


def test_a_task_that_cancels_itself_is_a_failure():
    async def work(item, index):
        if item == 1:
            raise asyncio.CancelledError
        await asyncio.sleep(WAITING)

    error, left = asyncio.run(outcome_of(BoundedGather(work), range(3)))
    assert isinstance(error, asyncio.CancelledError)
    assert left == set()


class SleepsPerItem:
    """Items are pairs of seconds and what becomes of them."""

    async def prep_async(self, shared):
        return shared["items"]

    async def exec_async(self, item):
        seconds, result = item
        await asyncio.sleep(seconds)
        if isinstance(result, Exception):
            raise result
        return result

    async def post_async(self, shared, prep_res, exec_res):
        return exec_res


class Sleeps(SleepsPerItem, AsyncParallelBatchNode):
    """All at once."""


class SleepsInTurn(SleepsPerItem, AsyncBatchNode):
    """One after another."""


def run(node, *items):
    return asyncio.run(node.run_async({"items": items}))


def test_a_parallel_batch_node_goes_on_after_failures_where_asked():
    results = run(Sleeps(max_retries=2, error_handling="continue"), (0, 1), (0, KeyError("x")), (0, 3))
    assert results == [1, None, 3]
    assert results.errors[0].pop("traceback").endswith("KeyError: 'x'\n")
    assert results.errors == [
        {
            "index": 1,
            "item": (0, results.errors[0]["item"][1]),
            "type": "KeyError",
            "message": "'x'",
            "attempts": 2,
            "kind": "exception",
        }
    ]


def test_too_many_failures_fail_a_batch_that_tolerates_some():
    node = Sleeps(error_handling="continue", tolerate={"count": 1}, max_concurrent=1)
    with pytest.raises(
        BatchFailed, match="2 items failed, more than the 1 tolerated; first: item 0"
    ) as caught:
        run(node, (0, KeyError()), (0, 2), (0, KeyError()), (0, 4))
    assert caught.value.result == [None, 2, None]
    assert [error["index"] for error in caught.value.result.errors] == [0, 2]


def test_a_batch_without_any_success_failed():
    with pytest.raises(BatchFailed, match="all 2 items failed"):
        run(Sleeps(error_handling="continue"), (0, KeyError()), (0, KeyError()))


def test_a_timeout_bounds_each_attempt_and_counts_as_a_failure():
    with pytest.raises(AttemptTimeout, match=r"no result within 0\.01 s"):
        run(Sleeps(timeout=0.01), (WAITING, 1))
    results = run(Sleeps(timeout=0.01, error_handling="continue"), (WAITING, 1), (0, 2))
    assert (results, results.errors[0]["kind"]) == ([None, 2], "timeout")


def test_a_timeout_of_the_nodes_own_is_not_ours():
    with pytest.raises(TimeoutError) as caught:
        run(Sleeps(timeout=5), (0, TimeoutError("theirs")))
    assert not isinstance(caught.value, AttemptTimeout)


@pytest.mark.parametrize("kind", [AsyncBatchNode, AsyncParallelBatchNode])
def test_what_needs_an_executor_says_so(kind):
    with pytest.raises(InvalidSetting, match="chunk_size needs an executor"):
        asyncio.run(kind(chunk_size=3).run_async({}))


@pytest.mark.parametrize(
    "options",
    [
        {"max_concurrent": 0},
        {"timeout": 0},
        {"error_handling": "perhaps"},
        {"on_failure": "ignore"},
        {"executor": "threads"},
        {"executor": "thread", "max_concurrent": 1001},
    ],
)
def test_options_out_of_range_are_refused_when_the_node_is_made(options):
    with pytest.raises(InvalidSetting):
        AsyncParallelBatchNode(**options)


def test_a_sequential_async_batch_takes_policies_and_stays_sequential():
    results = run(SleepsInTurn(error_handling="continue"), (0.002, 1), (0, KeyError()), (0, 3))
    assert results == [1, None, 3]


class Entries(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"n": n} for n in range(shared["entries"])]

    async def post_async(self, shared, prep_res, exec_res):
        return exec_res


def test_parallel_flows_are_bounded():
    class Counts(AsyncNode):
        async def exec_async(self, prep_res):
            await work(self.params["n"], 0)

    work = Counted()
    asyncio.run(Entries(Counts(), max_concurrent=3).run_async({"entries": 20}))
    assert (work.most, work.ended) == (3, 20)


def test_the_first_failing_flow_ends_the_others():
    class Fails(AsyncNode):
        async def exec_async(self, prep_res):
            if self.params["n"] == 1:
                raise LookupError
            await work(1, 0)

    async def main():
        with pytest.raises(LookupError):
            await Entries(Fails(), on_failure="cancel").run_async({"entries": 4})
        return asyncio.all_tasks() - {asyncio.current_task()}

    work = Counted(WAITING)
    assert asyncio.run(main()) == set()
    assert work.begun == work.ended == 3


@pytest.mark.parametrize("options", [{}, {"max_concurrent": 4}])
def test_by_default_it_is_raised_at_once_and_the_others_go_on(options):
    class Saves(AsyncNode):
        async def exec_async(self, prep_res):
            if self.params["n"] == 0:
                raise LookupError
            await asyncio.wait_for(allowed.wait(), 20)

        async def post_async(self, shared, prep_res, exec_res):
            shared["saved"].append(self.params["n"])

    async def main():
        shared = {"entries": 4, "saved": []}
        with pytest.raises(LookupError):
            await Entries(Saves(), **options).run_async(shared)
        assert shared["saved"] == []
        allowed.set()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        return shared["saved"]

    allowed = asyncio.Event()
    assert asyncio.run(main()) == [1, 2, 3]


def test_items_go_on_too_and_later_failures_are_nobodys():
    class Two(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(3)

        async def exec_async(self, n):
            await asyncio.sleep(0.001 * n)
            ran.append(n)
            if n != 1:
                raise LookupError(n)

    async def main():
        with pytest.raises(LookupError, match="0"):
            await Two().run_async({})
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    ran: list[int] = []
    asyncio.run(main())
    assert ran == [0, 1, 2]


def test_a_flow_entry_is_tried_again_as_a_whole_and_bounded_in_time(given_time):
    class Second(AsyncNode):
        async def exec_async(self, prep_res):
            tries.append(self.params["n"])
            await asyncio.sleep(WAITING if tries.count(self.params["n"]) == 1 else 0)

        async def post_async(self, shared, prep_res, exec_res):
            return f"end {self.params['n']}"

    tries: list[int] = []

    def check(seconds):
        tries.clear()
        flow = Entries(Second(), max_retries=2, timeout=seconds)
        try:
            ends = asyncio.run(flow.run_async({"entries": 2}))
        except AttemptTimeout as late:
            raise AssertionError from late
        assert ends == ["end 0", "end 1"]
        assert sorted(tries) == [0, 0, 1, 1]

    given_time(check)


@pytest.mark.parametrize("executor", [None, "thread"])
@pytest.mark.parametrize(
    ("n", "at_once"),
    [(2_000, 500), pytest.param(10_000, 1_000, marks=pytest.mark.slow)],
    ids=["quick", "full"],
)
@pytest.mark.first_quick
def test_thousands_of_waits_at_once(n, at_once, executor):
    class Waits(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(n)

        async def exec_async(self, item):
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            if self.cur_retry < item % 3:
                raise ValueError
            return item, self.cur_retry

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    now = most = 0
    node = Waits(max_retries=3, max_concurrent=at_once, executor=executor)
    assert asyncio.run(node.run_async({})) == [(item, item % 3) for item in range(n)]
    assert most == at_once
