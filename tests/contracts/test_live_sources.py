"""Sources that live: a queue, a socket, a generator that waits for answers. An item runs as soon as it was
read, whatever the source does next."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.flow import AsyncNode

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PATIENCE = 20.0
LONG = 0.8


def square(item: int) -> int:
    return item * item


def rest_for(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


class Square(AsyncNode):  # type: ignore[type-arg]  # as users write it
    async def exec_async(self, prep_res: Any) -> Any:
        return prep_res * prep_res


@contextlib.contextmanager
def served(function: Any, **settings: Any) -> Iterator[tuple[queue.Queue[Any], queue.Queue[Any]]]:
    """Requests and answers of a thread that runs ``imap`` over a queue; ended and joined at the end."""
    requests: queue.Queue[Any] = queue.Queue()
    answers: queue.Queue[Any] = queue.Queue()

    def serve() -> None:
        for answer in batchmill.imap(function, iter(requests.get, None), **settings):
            answers.put(answer)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield requests, answers
    finally:
        requests.put(None)
        server.join(PATIENCE)
        assert not server.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_each_request_is_answered_before_the_next_one_comes(executor: str, workers: int) -> None:
    batchmill.map(square, range(2000), executor=executor)  # the pool is warm, the pace is known
    with served(square, executor=executor, max_concurrent=workers) as (requests, answers):
        many = 50 if executor == "dask" else 500  # a request there and back takes its time
        for number in [*range(3), *range(many), *range(3)]:
            requests.put(number)
            assert answers.get(timeout=PATIENCE) == number * number


def test_bursts_are_answered_to_their_last_request(executor: str) -> None:
    with served(square, executor=executor, max_concurrent=2) as (requests, answers):
        for size in (300, 1, 70, 2, 1000, 3):
            for number in range(size):
                requests.put(number)
            assert [answers.get(timeout=PATIENCE) for _ in range(size)] == [n * n for n in range(size)]


def test_coroutines_are_answered_too() -> None:
    with served(Square(), executor="thread", max_concurrent=3) as (requests, answers):
        for number in range(50):
            requests.put(number)
            assert answers.get(timeout=PATIENCE) == number * number


def test_requests_under_a_limit_are_answered(parallel: str) -> None:
    limits: dict[str, Any] = {"rate_limit": {"per_second": 10_000}}
    with served(square, executor=parallel, max_concurrent=2, **limits) as (requests, answers):
        for number in range(20):
            requests.put(number)
            assert answers.get(timeout=PATIENCE) == number * number


def test_an_attempt_after_a_failure_does_not_wait_for_another_request() -> None:
    tried: list[int] = []

    def second_time(item: int) -> int:
        tried.append(item)
        if len(tried) == 1:
            raise ValueError("not yet")
        return item

    settings: dict[str, Any] = {"max_retries": 2, "rate_limit": {"per_second": 1000}}
    with served(second_time, executor="thread", max_concurrent=1, **settings) as (requests, answers):
        requests.put(7)
        assert answers.get(timeout=PATIENCE) == 7


@pytest.mark.slow
def test_a_generator_may_wait_for_the_answer_to_what_it_gave(executor: str) -> None:
    batchmill.map(square, range(2000), executor=executor)
    answered = threading.Semaphore(0)

    def one_by_one() -> Iterator[int]:
        for number in range(100):
            yield number
            if executor != "sequential":  # which hands out a result before it reads on, in the same thread
                assert answered.acquire(timeout=PATIENCE)

    got = []
    for answer in batchmill.imap(square, one_by_one(), executor=executor, max_concurrent=2):
        got.append(answer)
        answered.release()
    assert got == [n * n for n in range(100)]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_was_read_together_with_a_long_item_runs_meanwhile(executor: str) -> None:
    batchmill.map(rest_for, [0.0] * 2000, executor=executor)
    settings = {"executor": executor, "max_concurrent": 2, "ordered": False}
    with served(rest_for, **settings) as (requests, answers):
        for _ in range(2000):
            requests.put(0.0)
        for _ in range(2000):
            assert answers.get(timeout=PATIENCE) == 0.0
        for seconds in (LONG, 0.001, 0.002, 0.003):
            requests.put(seconds)
        assert sorted(answers.get(timeout=PATIENCE) for _ in range(3)) == [0.001, 0.002, 0.003]
        assert answers.get(timeout=PATIENCE) == LONG
