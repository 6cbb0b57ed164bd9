"""What only Python's face has: exceptions in place, callbacks, indices, choosy retries, awaiting."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import cloudpickle
import pytest

import batchmill
from batchmill import AttemptTimeout, BatchFailed, InitializerFailed, InvalidSetting, ItemFailed

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Transient(Exception):
    """Worth another attempt."""


class Permanent(Exception):
    """Not worth one."""


def wait_for(path):
    """Wait until a file is there, for a minute at most: nothing waits for ever when a test fails."""
    end = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.01)


def odd_fails(n):
    if n % 2:
        raise Permanent(n, "odd")
    return 10 * n


async def odd_fails_later(n):
    await asyncio.sleep(0)
    return odd_fails(n)


def add(a, b):
    return a + b


async def add_later(a, b):
    return a + b


def both(a, b):
    yield a
    yield b


def leaves(n):
    raise SystemExit(n)


def logged(item):
    """Fails for good; its attempts are in the file it is given."""
    path, error = item
    with open(path, "a") as log:
        log.write("x")
    raise error


@pytest.mark.parametrize("function", [odd_fails, odd_fails_later])
def test_exceptions_stand_in_the_places_of_failed_items(executor, function):
    done = batchmill.map(function, range(5), executor=executor, return_exceptions=True)
    assert [value if type(value) is int else value.args for value in done] == [
        0,
        (1, "odd"),
        20,
        (3, "odd"),
        40,
    ]
    assert type(done[1]) is Permanent
    assert [error["index"] for error in done.errors] == [1, 3]
    assert done.succeeded == [0, 20, 40]
    with batchmill.imap(function, range(5), executor=executor, return_exceptions=True) as values:
        assert [str(value) for value in values] == [str(value) for value in done]
        assert [error["index"] for error in values.errors] == [1, 3]


def test_an_exit_is_its_items_exception(executor):
    done = batchmill.map(leaves, [3, 4], executor=executor, return_exceptions=True)
    assert [(type(one), one.code) for one in done] == [(SystemExit, 3), (SystemExit, 4)]


def test_what_has_no_exception_is_told_by_one_of_ours(isolating):
    def hard(n):
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 2:
            time.sleep(60)
        return n

    done = batchmill.map(hard, range(4), executor=isolating, timeout=1, return_exceptions=True)
    assert (done[0], done[3]) == (0, 3)
    assert isinstance(done[1], ItemFailed)
    assert done[1].kind == "worker_died"
    assert str(done[1]) == f"{done.errors[0]['type']}: {done.errors[0]['message']}"
    assert isinstance(done[2], AttemptTimeout)


def test_an_exception_that_does_not_travel_is_told_with_its_traceback(isolating):
    class Stuck(Exception):
        def __reduce__(self):
            raise TypeError("stays here")

    def stuck(n):
        raise Stuck("here")

    (one,) = batchmill.map(stuck, [1], executor=isolating, return_exceptions=True)
    assert isinstance(one, ItemFailed)
    assert (one.type, one.message, one.kind) == ("Stuck", "here", "exception")
    assert "in stuck" in str(one.__cause__)


def test_nothing_is_raised_where_too_many_failed(executor):
    settings = {"executor": executor, "max_concurrent": 1, "tolerate": {"count": 0}, "chunk_size": 1}
    done = batchmill.map(odd_fails, range(50), return_exceptions=True, **settings)
    assert len(done) == 50
    assert type(done[1]) is Permanent
    assert isinstance(done[49], ItemFailed)
    assert done[49].kind == "cancelled"
    assert done.failure is not None


@pytest.mark.parametrize(
    ("retry_on", "error", "attempts"),
    [
        (None, Permanent("no"), 3),
        (Transient, Transient("later"), 3),
        ((Transient, OSError), ConnectionError("later"), 3),
        ([Transient], Permanent("no"), 1),
        ((), Transient("no"), 1),
    ],
)
@pytest.mark.parametrize("limited", [{}, {"rate_limit": {"per_second": 10_000}}])
def test_only_some_exceptions_are_worth_another_attempt(
    executor, retry_on, error, attempts, limited, tmp_path
):
    path = tmp_path / "log"
    done = batchmill.map(
        logged,
        [(str(path), error)],
        executor=executor,
        max_retries=3,
        retry_on=retry_on,
        error_handling="continue",
        **limited,
    )
    assert path.read_text() == "x" * attempts
    assert done.errors[0]["attempts"] == attempts


@pytest.mark.parametrize(("retry_on", "attempts"), [(TimeoutError, 2), (Permanent, 1), (Exception, 2)])
@pytest.mark.parametrize(
    "executor", ["thread", "process", pytest.param("dask", marks=pytest.mark.on_cluster)]
)
@pytest.mark.first_quick
def test_a_timeout_is_a_timeout_error(executor, retry_on, attempts, tmp_path):
    over = tmp_path / "over"  # ends what is abandoned, not killed
    done = batchmill.map(
        wait_for,
        [str(over)],
        executor=executor,
        max_retries=2,
        timeout=0.2,
        retry_on=retry_on,
        error_handling="continue",
    )
    over.touch()
    assert (done.errors[0]["kind"], done.errors[0]["attempts"]) == ("timeout", attempts)


@pytest.mark.parametrize(("retry_on", "attempts"), [(Permanent, 1), (Exception, 2)])
def test_a_worker_that_dies_counts_as_any_exception(isolating, retry_on, attempts, tmp_path):
    def dies(path):
        with open(path, "a") as log:
            log.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    path = tmp_path / "log"
    batchmill.map(
        dies, [str(path)], executor=isolating, max_retries=2, retry_on=retry_on, error_handling="continue"
    )
    assert path.read_text() == "x" * attempts


def test_each_item_that_ended_is_told(executor):
    told, threads = [], set()

    def hear(one):
        told.append(one)
        threads.add(threading.get_ident())

    batchmill.map(odd_fails, range(40), executor=executor, error_handling="continue", on_result=hear)
    told.sort(key=lambda one: one.index)
    assert [one.index for one in told] == [one.item for one in told] == list(range(40))
    assert [one.value for one in told] == [None if n % 2 else 10 * n for n in range(40)]
    assert [one.error and one.error["type"] for one in told] == [
        "Permanent" if n % 2 else None for n in range(40)
    ]
    assert all(one.seconds >= 0 for one in told)
    assert threads == {threading.get_ident()}
    told.clear()
    assert list(batchmill.imap(add_one, range(9), executor=executor, on_result=told.append))
    assert [one.value for one in told] == list(range(1, 10))


def add_one(n):
    return n + 1


def test_what_hears_of_results_may_end_the_batch(executor):
    def hear(one):
        raise LookupError(one.index)

    with pytest.raises(LookupError):
        batchmill.map(add_one, range(100), executor=executor, on_result=hear)
    with pytest.raises(LookupError):
        list(batchmill.imap(add_one, range(100), executor=executor, on_result=hear))


def test_items_never_started_are_not_told(executor):
    told = []
    with pytest.raises(BatchFailed):
        batchmill.map(odd_fails, range(1, 500), executor=executor, max_concurrent=1, on_result=told.append)
    assert len(told) < 499
    assert all(one.error is None or one.error["kind"] != "cancelled" for one in told)


@pytest.mark.parametrize(
    ("function", "results"), [(add, [3, 7]), (add_later, [3, 7]), (both, [[1, 2], [3, 4]])]
)
def test_the_parts_of_an_item_are_the_arguments(executor, function, results):
    assert list(batchmill.starmap(function, [(1, 2), [3, 4]], executor=executor)) == results
    assert list(batchmill.starmap(function, zip([1, 3], [2, 4], strict=True), executor=executor)) == results


def test_an_item_without_parts_is_that_items_error(executor):
    done = batchmill.starmap(add, [(1, 2), 3], executor=executor, error_handling="continue")
    assert list(done) == [3, None]
    assert done.errors[0]["type"] == "TypeError"


def test_indices_tell_which_item_it_was(executor):
    found = batchmill.imap(add_one, range(200), executor=executor, ordered=False, indexed=True)
    assert sorted(found) == [(n, n + 1) for n in range(200)]
    ordered = batchmill.imap(odd_fails, range(4), executor=executor, indexed=True, error_handling="continue")
    assert list(ordered) == [(0, 0), (1, None), (2, 20), (3, None)]


@pytest.mark.first_quick
def test_callers_may_await(executor):
    async def main():
        told, ticks = [], []

        def hear(one):
            asyncio.get_running_loop()
            told.append(one.index)

        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0.001)

        def slow(n):
            time.sleep(0.02)
            return n + 1

        ticking = asyncio.create_task(tick())
        done, more = await asyncio.gather(
            batchmill.amap(slow, range(5), executor=executor, on_result=hear),
            batchmill.amap(odd_fails_later, range(3), executor=executor, return_exceptions=True),
        )
        assert list(done) == [1, 2, 3, 4, 5]
        assert sorted(told) == [0, 1, 2, 3, 4]
        assert [str(one) for one in more] == ["0", "(1, 'odd')", "20"]
        async with batchmill.aimap(slow, range(5), executor=executor, indexed=True) as values:
            assert [value async for value in values] == [(n, n + 1) for n in range(5)]
        assert len(ticks) > 5
        ticking.cancel()

    asyncio.run(main())


@pytest.mark.first_quick
def test_errors_are_raised_where_it_is_awaited(executor):
    async def main():
        with pytest.raises(BatchFailed, match="item 1 ") as caught:
            await batchmill.amap(odd_fails, range(3), executor=executor)
        assert isinstance(caught.value.__cause__, Permanent)
        with pytest.raises(batchmill.UnknownSetting, match="did you mean `max_concurrent`"):
            await batchmill.amap(odd_fails, [1], workers=3)
        values = batchmill.aimap(odd_fails, range(3), executor=executor, max_concurrent=1)
        assert await anext(values) == 0
        with pytest.raises(BatchFailed):
            await anext(values)
        assert values.errors[0]["index"] == 1
        with pytest.raises(LookupError):
            await batchmill.amap(add_one, range(3), executor=executor, on_result=lambda one: {}[one])

    asyncio.run(main())


def begin_and_wait(item):
    folder, n = item
    Path(folder, str(n)).touch()
    wait_for(Path(folder, "over"))


@pytest.mark.first_quick
def test_a_task_that_is_cancelled_ends_its_batch(executor, tmp_path):
    async def main():
        items = [(str(tmp_path), n) for n in range(100)]
        task = asyncio.create_task(batchmill.amap(begin_and_wait, items, executor=executor, max_concurrent=2))
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        begun = len(list(tmp_path.iterdir()))
        (tmp_path / "over").touch()  # an item that runs cannot be stopped in a thread
        assert begun <= 20

    asyncio.run(main())


@pytest.mark.slow
def test_a_wait_that_is_given_up_loses_no_result():
    async def main():
        gate = threading.Event()

        def waiting(n):
            gate.wait()
            return n

        async with batchmill.aimap(waiting, [7, 8]) as values:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(values), 0.05)
            gate.set()
            assert [value async for value in values] == [7, 8]

    asyncio.run(main())


def held_up(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def test_leaving_early_ends_the_batch(executor, tmp_path):
    held = tmp_path / "go"

    async def main():
        async with batchmill.aimap(add_one, iter(int, 1), executor=executor) as values:
            async for value in values:
                assert value == 1
                break
        async with batchmill.aimap(held_up, [str(held)], executor=executor) as slow:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(slow), 0.05)
        held.touch()  # a thread cannot be ended

    asyncio.run(main())


loaded = {}


def load(path, model):
    """Has a worker ready, told in a file."""
    loaded["model"] = model
    with open(path, "a") as log:
        log.write("x")


def with_model(n):
    return loaded["model"], n


async def with_model_later(n):
    return with_model(n)


def no_model():
    raise ValueError("no model")


@pytest.mark.parametrize("function", [with_model, with_model_later])
def test_each_worker_is_prepared_once_before_its_first_item(executor, function, tmp_path):
    for model in ("first", "second"):  # on kept workers, too
        log = tmp_path / model
        setup = {"initializer": load, "initargs": (str(log), model), "max_concurrent": 2}
        done = list(batchmill.map(function, range(6), executor=executor, chunk_size=1, **setup))
        assert done == [(model, n) for n in range(6)]
        once = executor in ("sequential", "auto") or (function is with_model_later and executor == "thread")
        assert log.read_text() in (["x"] if once else ["x", "xx"])


def test_workers_of_a_stream_are_prepared(executor, tmp_path):
    setup = {"initializer": load, "initargs": [str(tmp_path / "log"), "big"]}
    assert [value[0] for value in batchmill.imap(with_model, iter("ab"), executor=executor, **setup)] == [
        "big"
    ] * 2


def test_preparing_counts_against_no_item(parallel, given_time):
    def check(seconds):
        setup = {"initializer": time.sleep, "initargs": (2 * seconds,), "max_concurrent": 1}
        setup |= {"timeout": seconds, "error_handling": "continue"}
        assert list(batchmill.map(abs, [-1], executor=parallel, **setup)) == [1]

    given_time(check)


def test_a_worker_that_cannot_be_prepared_fails_its_items(executor):
    done = batchmill.map(
        abs, [-1, -2], executor=executor, initializer=no_model, max_retries=3, error_handling="continue"
    )
    told = [(one["type"], one["message"], one["attempts"], one["kind"]) for one in done.errors]
    assert told == [("InitializerFailed", "the initializer failed: ValueError: no model", 1, "exception")] * 2
    assert "in no_model" in done.errors[0]["traceback"]
    with pytest.raises(BatchFailed, match=r"no model \(.*in no_model\)") as failure:
        batchmill.map(abs, [-1], executor=executor, initializer=no_model)
    assert isinstance(failure.value.__cause__, InitializerFailed)


def process_id(_):
    return os.getpid()


@pytest.mark.parametrize("chunk_size", [None, 3])
@pytest.mark.first_quick
def test_a_worker_process_is_replaced_after_so_many_items(chunk_size):
    workers = {"executor": "process", "max_concurrent": 2, "chunk_size": chunk_size}
    warm = Counter(batchmill.map(process_id, range(9), **workers))
    done = batchmill.map(process_id, range(9), max_items_per_worker=4, **workers)
    counted = Counter(done)
    assert len(done) == sum(counted.values()) == 9
    assert all(warm[process] + items <= 4 for process, items in counted.items())
    assert len(counted) >= 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"initializer": 3}, "must be a function"),
        ({"initializer": with_model_later}, "not one that is awaited"),
        ({"initargs": (1,)}, "which is not given"),
        ({"initializer": print, "initargs": 1}, "tuple or list"),
        ({"max_items_per_worker": 5}, 'set `executor` to "process"'),
        ({"max_items_per_worker": 0, "executor": "process"}, "1 or more"),
        ({"max_items_per_worker": True, "executor": "process"}, "whole number"),
        ({"maxtasksperchild": 5}, "did you mean `max_items_per_worker`"),
    ],
)
def test_settings_of_workers_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(InvalidSetting, match=words):
        batchmill.map(abs, [1], **settings)
