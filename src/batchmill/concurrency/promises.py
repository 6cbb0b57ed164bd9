"""Promised results: the results of functions that return before their work is done.

===================================  =======================================================
a function returns                   its result is
===================================  =======================================================
a coroutine, a future of asyncio     its result, awaited
a generator                          the list of the values it yields
an async generator                   the list of the values it yields, awaited
anything else                        the value itself
===================================  =======================================================

This is the one rule for every result of the user's code: functions of ``map``, nodes that run Python, and
``exec`` of node classes. An endless generator ends with the timeout of its item.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, Stopped

# Types that are known to be no promise, so that most results cost one look.
KEPT_AS_THEY_ARE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset}
)
_SCALARS = KEPT_AS_THEY_ARE - {list, tuple, dict, set, frozenset}
_PROMISES = (CoroutineType, GeneratorType, AsyncGeneratorType)


def awaits(function: object) -> bool:
    """Whether calling ``function`` gives what must be awaited: it, what a partial holds, or its class's
    ``__call__`` was written with ``async def``."""
    while isinstance(function, functools.partial):
        function = function.func
    return _is_async(function) or (not inspect.isroutine(function) and _is_async(_call_of(function)))


def _call_of(thing: object) -> object:
    return None if isinstance(thing, type) else getattr(type(thing), "__call__", None)  # noqa: B004  # its code


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def is_promised(value: object) -> bool:
    """Whether ``value`` must be awaited to be a result."""
    return isinstance(value, (Coroutine, AsyncGenerator)) or _is_future(value) or _is_old_style(value)


def _is_future(value: object) -> bool:
    asyncio = sys.modules.get("asyncio")  # who has a future of it has imported it
    return asyncio is not None and bool(asyncio.isfuture(value))


def _is_old_style(value: object) -> bool:
    """A generator that ``types.coroutine`` made awaitable."""
    return isinstance(value, GeneratorType) and inspect.isawaitable(value)


def kept(value: object, cancel: CancelToken | None = None, seconds: float | None = None) -> object:
    """``value`` as a result, by the table above; blocks until it is one.

    Raises the errors of the user's code, :class:`~batchmill.errors.AttemptTimeout` after ``seconds``, and
    :class:`~batchmill.errors.Stopped` once ``cancel`` is cancelled.
    """
    if type(value) in KEPT_AS_THEY_ARE:
        return value
    if is_promised(value):
        return _run(value, cancel, seconds)
    return _listed(value, cancel, seconds) if isinstance(value, Generator) else value


def awaited(value: object, cancel: CancelToken | None = None) -> Any:
    """The same, but a generator is returned unchanged, for a caller that takes its values one by one."""
    if type(value) in KEPT_AS_THEY_ARE or not is_promised(value):
        return value
    return _run(value, cancel, None)


def _run(value: object, cancel: CancelToken | None, seconds: float | None) -> Any:
    """The result of a promise, on the loop of :mod:`batchmill.concurrency.event_loop`."""
    coroutines = importlib.import_module("batchmill.concurrency.event_loop")  # with asyncio: 40 ms
    return coroutines.run_coroutine(lambda: settled(value), cancel, seconds)


async def settled(value: Any) -> object:
    """``value`` as a result, after the table above, for callers that await."""
    if type(value) is CoroutineType:  # as most are; to ask the abstract classes takes several times as long
        value = await value
    while type(value) not in KEPT_AS_THEY_ARE:
        if not is_promised(value):
            return list(value) if isinstance(value, Generator) else value
        value = await _collected(value) if isinstance(value, AsyncGenerator) else await value
    return value


async def _collected(values: AsyncIterator[object]) -> list[object]:
    return [one async for one in values]


def plain_result(value: object, cancel: CancelToken | None = None, seconds: float | None = None) -> Any:
    """The result of a node that runs Python: :func:`kept`, and an iterator (``map``, ``zip``, ``csv.reader``)
    as the list of its values, because an output is data.

    Raises :class:`TypeError` for a list or an object with a promise in it.
    """
    if type(value) in _SCALARS:  # as most are
        return value
    value = kept(value, cancel, seconds)
    if isinstance(value, Iterator) and not hasattr(value, "read"):  # files are no lists of lines
        value = _listed(value, cancel, seconds)
    promised = [(place, part) for place, part in _parts(value) if type(part) in _PROMISES]
    if promised:
        for _, part in promised:
            _give_up(part)
        place, part = promised[0]
        kind = type(part).__name__.replace("_", " ")
        do = "make a list of it" if isinstance(part, Generator) else "await it"
        raise TypeError(f"result[{place!r}] is {_a(kind)}, which has not run yet: {do} in the code")
    return value


def _give_up(promise: Any) -> None:
    """Discard a promise that will not be awaited, without a warning."""
    if not isinstance(promise, AsyncGenerator):  # those warn of nothing
        promise.close()


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _parts(value: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    return value.items() if isinstance(value, dict) else ()


def _listed(values: Iterator[object], cancel: CancelToken | None, seconds: float | None) -> list[object]:
    """The values, unless they are not all there in time: a generator may be endless."""
    end = None if seconds is None else time.monotonic() + seconds
    found = []
    for value in values:
        found.append(value)
        if end is not None and time.monotonic() > end:
            raise AttemptTimeout(f"the generator did not end within {seconds:.3g} s")
        if cancel is not None and cancel.cancelled:
            raise Stopped("the run was cancelled")
    return found
