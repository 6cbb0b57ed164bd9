"""Functions whose call is not their work, given to ``map`` and ``imap`` on every executor."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import threading

import pytest

import batchmill
from batchmill import AsyncNode, AsyncParallelBatchNode, BatchNode, Node

EXECUTORS = ["sequential", "thread", "process", "auto"]
word = contextvars.ContextVar("word", default="none")


async def double(n):
    await asyncio.sleep(0)
    return 2 * n


async def counts(n):
    for k in range(n):
        await asyncio.sleep(0)
        yield k


def upto(n):
    yield from range(n)


class Asks:
    async def __call__(self, n):
        return await double(n)


async def fails(n):
    await asyncio.sleep(0)
    raise KeyError(n)


async def leaves(n):
    raise SystemExit(f"bye {n}")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("function", "values"),
    [
        (double, [2, 4]),
        (Asks(), [2, 4]),
        (functools.partial(double), [2, 4]),
        (lambda n: double(n), [2, 4]),
        (counts, [[0], [0, 1]]),
        (upto, [[0], [0, 1]]),
        (lambda n: upto(n), [[0], [0, 1]]),
    ],
    ids=["async def", "async call", "partial", "lambda", "async generator", "generator", "hidden generator"],
)
@pytest.mark.slow
def test_the_result_is_what_it_comes_to(function, values, executor):
    done = batchmill.map(function, [1, 2], executor=executor)
    assert list(done) == values
    assert done.success_count == 2
    assert list(batchmill.imap(function, [1, 2], executor=executor)) == values


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_it_raises_is_the_items_error(executor):
    done = batchmill.map(fails, [1], executor=executor, error_handling="continue")
    assert [(e["type"], e["message"], e["kind"]) for e in done.errors] == [("KeyError", "1", "exception")]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_so_is_an_exit(executor):
    done = batchmill.map(leaves, [1, 2], executor=executor, error_handling="continue", max_concurrent=1)
    errors = [(error["type"], error["message"], error["kind"]) for error in done.errors]
    assert errors == [("SystemExit", "bye 1", "exception"), ("SystemExit", "bye 2", "exception")]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("function", [lambda n: asyncio.sleep(n), lambda n: (k for k in itertools.count())])
def test_one_that_takes_too_long_ends(function, executor):
    done = batchmill.map(function, [30], executor=executor, timeout=0.1, error_handling="continue")
    assert [error["kind"] for error in done.errors] == ["timeout"]


@pytest.mark.parametrize("executor", ["sequential", "thread", "auto"])
@pytest.mark.parametrize("hidden", [True, False])
def test_items_are_awaited_on_one_loop_and_see_the_callers_context(executor, hidden):
    async def where(n):
        await asyncio.sleep(0.001)
        return id(asyncio.get_running_loop()), word.get()

    token = word.set("here")
    try:
        done = batchmill.map((lambda n: where(n)) if hidden else where, range(20), executor=executor)
    finally:
        word.reset(token)
    assert len(set(done)) == 1
    assert done[0][1] == "here"


def test_on_threads_they_wait_together():
    limit, inside = asyncio.Semaphore(1000), threading.Event()
    waiting = set()

    async def wait(n):
        async with limit:
            waiting.add(n)
            if len(waiting) == 50:
                inside.set()
            while not inside.is_set():
                await asyncio.sleep(0.001)
        return n

    assert list(batchmill.map(wait, range(50), max_concurrent=50)) == list(range(50))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_inside_a_running_loop_too(executor):
    async def main():
        return batchmill.map(double, [1, 2], executor=executor)

    assert list(asyncio.run(main())) == [2, 4]


class Doubles(Node):
    async def exec(self, n):
        return await double(n)


class Yields(Node):
    def exec(self, n):
        if self.cur_retry == 0:
            yield None
            raise ValueError("not yet")
        yield from range(n)


class YieldsAsync(AsyncNode):
    async def exec_async(self, n):
        for k in range(n):
            yield k


class Gives(AsyncNode):
    async def exec_async(self, n):
        return upto(n)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_nodes_are_held_to_the_same_rule(executor):
    assert list(batchmill.map(Doubles(), [1, 2], executor=executor)) == [2, 4]
    assert list(batchmill.map(Yields(max_retries=2), [2], executor=executor)) == [[0, 1]]
    assert list(batchmill.map(YieldsAsync(), [2], executor=executor)) == [[0, 1]]
    assert list(batchmill.map(Gives(), [2], executor=executor)) == [[0, 1]]


class Batch(BatchNode):
    def prep(self, shared):
        return shared["items"]

    async def exec(self, n):
        return await double(n)

    def post(self, shared, items, results):
        shared["results"] = list(results)


class YieldingBatch(Batch):
    def exec(self, n):
        yield from range(n)


class FallingBatch(Batch):
    def exec(self, n):
        raise ValueError(n)

    async def exec_fallback(self, n, error):
        return await double(n)


@pytest.mark.parametrize("options", [{}, *({"executor": one} for one in EXECUTORS), {"max_concurrent": 2}])
@pytest.mark.parametrize(
    ("kind", "values"), [(Batch, [2, 4]), (YieldingBatch, [[0], [0, 1]]), (FallingBatch, [2, 4])]
)
def test_batch_nodes_too(kind, values, options):
    shared = {"items": [1, 2]}
    kind(**options).run(shared)
    assert shared["results"] == values


class AsyncBatch(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return shared["items"]

    async def exec_async(self, n):
        for k in range(n):
            yield k

    async def post_async(self, shared, items, results):
        shared["results"] = list(results)


@pytest.mark.parametrize("options", [{}, *({"executor": one} for one in EXECUTORS), {"max_concurrent": 2}])
def test_and_async_ones(options):
    shared = {"items": [1, 2]}
    asyncio.run(AsyncBatch(**options).run_async(shared))
    assert shared["results"] == [[0], [0, 1]]
