"""Items from a function, one by one on demand."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from batchmill.concurrency.promises import awaited
from batchmill.errors import BatchmillError, InvalidSetting, NodeError
from batchmill.ir.faults import misspelt_function
from batchmill.items.byte_streams import InputStopped
from batchmill.items.readers import Options, ReadOptions
from batchmill.nodes.functions import load_function
from batchmill.values.tracebacks import at_own_line, trimmed
from batchmill.values.words import count, kind_of

_END = object()
_NO_ITEMS = (str, bytes, bytearray, Mapping)
"""Types that can be iterated over but count as one item."""


class FunctionItems(Iterable[Any]):
    """The values that the function at ``package.module:name`` yields, or the elements of its result; it may
    be ``async``. It is called again for every iteration, with ``args`` and ``inputs`` as its arguments.

    Raises :class:`InvalidSetting`; iteration raises :class:`~batchmill.errors.NodeError`, after the items
    that came before, and the errors of loading the function.
    """

    def __init__(self, function: Any, args: object, inputs: object) -> None:
        fault = (
            misspelt_function(function)
            if isinstance(function, str)
            else f"a function is named, not {function!r}"
        )
        if fault:
            raise InvalidSetting(f"the source 'python': {fault}")
        if not isinstance(args, (list, tuple)) or not isinstance(inputs, Mapping):
            raise InvalidSetting("`args` of the source 'python' must be a list, and `inputs` an object")
        self._function, self._args, self._inputs = function, args, inputs

    def __iter__(self) -> Iterator[Any]:
        function = load_function(self._function, "the source python")
        done = 0
        try:
            made = function(*self._args, **self._inputs)
            for item in _each(made, self._function):
                yield item
                done += 1
        except (BatchmillError, InputStopped):
            raise
        except Exception as fault:
            after = f" after {count(done, 'item')}" if done else ""
            message = f"{self._function} failed{after}: {type(fault).__name__}: {fault}"
            where = at_own_line(trimmed(fault))
            raise NodeError(f"{message}{where}", retryable=False, type_name=type(fault).__name__) from fault


def of_function(function: object, options: Options, how: ReadOptions) -> FunctionItems:
    """The reader of the source ``python``."""
    return FunctionItems(function, options.get("args", ()), options.get("inputs", {}))


def _each(made: Any, name: str) -> Iterator[object]:
    if isinstance(made, AsyncIterator):
        return _awaited(made)
    made = awaited(made)
    if isinstance(made, _NO_ITEMS) or not isinstance(made, Iterable):
        message = f"{name} gives {kind_of(made)} instead of items: write `yield`, or return a list"
        raise NodeError(message, retryable=False, type_name="InvalidItems")
    return iter(made)


def _awaited(items: AsyncIterator[Any]) -> Iterator[object]:
    """One item after another, all awaited on the one event loop."""
    coroutines = importlib.import_module("batchmill.concurrency.event_loop")  # with asyncio: 40 ms

    async def following() -> object:
        return await anext(items, _END)

    while (item := coroutines.run_coroutine(following, None, None)) is not _END:
        yield item
