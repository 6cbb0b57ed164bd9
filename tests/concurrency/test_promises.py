"""What counts as a result of code that only promises one."""

from __future__ import annotations

import asyncio
import csv
import functools
import io
import itertools
import threading
import types
from unittest.mock import AsyncMock

import pytest

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.promises import awaited, awaits, is_promised, kept, plain_result, settled
from batchmill.errors import AttemptTimeout, Stopped


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

    async def method(self, n):
        return await double(n)

    @classmethod
    async def of_class(cls, n):
        return await double(n)

    @staticmethod
    async def of_none(n):
        return await double(n)


class Counts:
    async def __call__(self, n):
        yield n


@types.coroutine
def old_style(n):
    yield
    return n


ASYNC = [
    double,
    counts,
    Asks(),
    Asks().method,
    Asks.of_class,
    Asks.of_none,
    Counts(),
    functools.partial(double),
    functools.partial(functools.partial(double), 3),
    functools.partial(Asks()),
    AsyncMock(),
]


@pytest.mark.parametrize("function", ASYNC)
def test_functions_to_be_awaited_are_known(function):
    assert awaits(function)


@pytest.mark.parametrize(
    "function",
    [upto, len, int, Asks, print, str.upper, "abc".upper, lambda: double(1), functools.partial(int)],
)
def test_so_are_those_that_are_not(function):
    assert not awaits(function)


def test_a_promise_is_kept():
    assert kept(double(3)) == 6
    assert kept(counts(3)) == [0, 1, 2]
    assert kept(upto(3)) == [0, 1, 2]
    assert kept(old_style(5)) == 5
    assert asyncio.run(settled(double(3))) == 6
    assert asyncio.run(settled(counts(2))) == [0, 1]
    assert asyncio.run(settled(upto(2))) == [0, 1]
    assert asyncio.run(settled(7)) == 7


def test_a_promise_of_a_promise_is_kept_too():
    async def gives(value):
        return value

    assert kept(gives(gives(1))) == 1
    assert kept(gives(counts(2))) == [0, 1]
    assert kept(gives(upto(2))) == [0, 1]


@pytest.mark.parametrize(
    "value",
    [None, 3, "text", [double], {"a": 1}, map(str, [1]), iter([1]), io.StringIO("x"), range(3), Asks()],
)
def test_anything_else_is_a_result_itself(value):
    assert kept(value) is value
    assert awaited(value) is value
    assert asyncio.run(settled(value)) is value


def test_who_takes_values_one_by_one_is_given_the_generator():
    generator = upto(2)
    assert awaited(generator) is generator
    assert awaited(double(4)) == 8


def test_a_future_of_a_loop_is_awaited():
    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_result(5)
        assert is_promised(future)
        return await settled(future)

    assert asyncio.run(main()) == 5


def test_an_endless_generator_ends_with_its_time():
    with pytest.raises(AttemptTimeout, match=r"generator did not end within 0\.05 s"):
        kept(itertools.count() and (n for n in itertools.count()), None, 0.05)


def test_or_with_its_run():
    token = CancelToken()
    timer = threading.Timer(0.05, token.cancel)
    timer.start()
    with pytest.raises(Stopped):
        kept((n for n in itertools.count()), token)
    timer.join()


def test_what_a_generator_raises_is_raised():
    def breaks():
        yield 1
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        kept(breaks())


def test_outputs_are_data():
    assert plain_result(map(str, [1, 2])) == ["1", "2"]
    assert plain_result(zip([1], [2], strict=True)) == [(1, 2)]
    assert plain_result(csv.reader(["a,b"])) == [["a", "b"]]
    assert plain_result(double(2)) == 4
    file = io.StringIO("no list of lines")
    assert plain_result(file) is file


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: [1, double(1), double(2)], r"result\[1\] is a coroutine, which has not run yet: await it"),
        (lambda: {"all": upto(2)}, r"result\['all'\] is a generator, .*: make a list of it"),
        (lambda: (counts(2),), r"result\[0\] is an async generator, .*: await it"),
    ],
)
def test_a_promise_within_a_list_or_an_object_is_refused(make, says):
    with pytest.raises(TypeError, match=says):
        plain_result(make())
