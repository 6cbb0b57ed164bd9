"""Items that a function gives: what it may be, how far it is called, and what it raises."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from batchmill.concurrency.resources import resource_scope
from batchmill.errors import InvalidParams, InvalidSetting, NodeError
from batchmill.items.readers import open_source

SEEN: list[int] = []


def numbers(count: int, *, step: int = 1) -> Iterator[int]:
    for n in range(0, count * step, step):
        SEEN.append(n)
        yield n


async def awaited(count: int) -> AsyncIterator[int]:
    for n in range(count):
        await asyncio.sleep(0)
        yield n


async def listed() -> list[int]:
    return [1, 2]


def fails() -> Iterator[int]:
    yield 1
    raise LookupError("no more")


def text() -> str:
    return "abc"


@pytest.fixture(autouse=True)
def _module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("given_items")
    functions: list[Callable[..., Any]] = [numbers, awaited, listed, fails, text]
    for function in functions:
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "given_items", module)


def items(name: str, **more: Any) -> list[Any]:
    with resource_scope():  # as a batch does: what is awaited belongs to one loop
        return list(open_source({"python": f"given_items:{name}", **more}))


def test_what_a_function_may_give() -> None:
    assert items("numbers", args=[3]) == [0, 1, 2]
    assert items("numbers", args=[2], inputs={"step": 5}) == [0, 5]
    assert items("awaited", args=[3]) == [0, 1, 2]
    assert items("listed") == [1, 2]


def test_it_is_called_as_items_are_asked_for() -> None:
    SEEN.clear()
    source = open_source({"python": "given_items:numbers", "args": [10**9]})
    assert SEEN == []
    reading = iter(source)
    assert [next(reading), next(reading)] == SEEN == [0, 1]


def test_what_it_raises_comes_after_its_items() -> None:
    reading = iter(open_source({"python": "given_items:fails"}))
    assert next(reading) == 1
    with pytest.raises(
        NodeError, match=r"given_items:fails failed after 1 item: LookupError: no more \(.*in fails\)"
    ):
        next(reading)
    with pytest.raises(NodeError, match="gives text instead of items"):
        items("text")
    with pytest.raises(NodeError, match="TypeError"):
        items("numbers")


def test_what_is_no_function() -> None:
    for spec in ({"python": "given_items.numbers"}, {"python": 3}, {"python": "a:b", "args": {}}):
        with pytest.raises(InvalidSetting, match="source 'python'"):
            open_source(spec)
    with pytest.raises(InvalidParams, match="there is no 'none'"):
        items("none")
    with pytest.raises(NodeError, match="cannot import 'no_such'"):
        list(open_source({"python": "no_such:thing"}))
