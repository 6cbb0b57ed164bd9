"""A quick look for what a brief item changed in its process.

To look at everything that is restored after an item takes several times as long as an item that does nothing.
What can be changed within nanoseconds (a list, a limit, a stream, a variable) is looked at after every item.
What takes a call of the system or of the C library that is as long as an item (folder, handlers of signals,
locale, closing a stream) is looked at only after items that took long enough for one.
"""

from __future__ import annotations

import _locale
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

SHARE = 0.9  # of the shortest time, in case a yet shorter one was missed
TRIES = 3  # with each chunk, of calls whose shortest time is asked for
JUST_BOOTED = 100  # tries before the first item of a process, when caches are warm and the core is fast

_ALL = sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)()
ENVIRON: Any = os.environ
_least = inf  # seconds of the shortest call so far; only the main thread of a worker uses it


class WatchedVariables(dict[Any, Any]):
    """The variables behind ``os.environ``. ``touched`` becomes True when one is set or removed."""

    __slots__ = ("touched",)

    def __init__(self, variables: dict[Any, Any]) -> None:
        super().__init__(variables)
        self.touched = False

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _watched(name: str) -> Callable[..., Any]:
    change = getattr(dict, name)

    def method(self: WatchedVariables, *args: Any, **named: Any) -> Any:
        try:
            return change(self, *args, **named)
        finally:
            self.touched = True

    return method


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(WatchedVariables, _name, _watched(_name))


def look(path: list[str], filters: list[Any], streams: tuple[Any, Any]) -> Callable[[], bool]:
    """A function that says whether any of these, a variable or the recursion limit is not as it is now."""
    _watch()
    (out, err), environ = streams, ENVIRON
    variables: WatchedVariables = environ._data
    limit_now = sys.getrecursionlimit
    limit = limit_now()

    def touched() -> bool:
        return not (
            sys.path == path
            and warnings.filters == filters
            and limit_now() == limit
            and sys.stdout is out
            and sys.stderr is err
            and environ._data is variables
            and os.environ is environ
            and not variables.touched
        )

    return touched


def forget() -> None:
    """All variables are as they should be, whatever was done to them."""
    variables: Any = ENVIRON._data
    if isinstance(variables, WatchedVariables):
        variables.touched = False


def _watch() -> None:
    if not isinstance(ENVIRON._data, WatchedVariables):
        environb: Any = os.environb  # which has the same variables
        ENVIRON._data = environb._data = WatchedVariables(ENVIRON._data)
    forget()


def brief_seconds(touched: Callable[[], bool]) -> float:
    """An item that took less, with the look ``touched`` after it, has not made one of the calls that take
    long; 0 if that cannot be told.

    It is a share of the shortest time that the look took here together with asking for the folder, or for the
    locale. So it follows the speed of the machine. It is measured again with each chunk, as a core may become
    faster. An item that changes something takes longer: in µs, on CPython 3.11, asking for the folder takes
    0.42, changing it 0.69, by its descriptor 0.29, a handler 0.71, closing a stream 0.36, and the loop around
    an item 0.25 more. A loop that is compiled, as PyPy's, takes nothing that could be relied on,
    and without a GIL the look and the loop take as long as looking at everything.
    """
    global _least
    if _ALL:
        return 0.0
    clock, languages = time.perf_counter, partial(_locale.setlocale, _locale.LC_ALL)
    for _ in range(JUST_BOOTED if _least == inf else TRIES):
        for ask in (os.getcwd, languages):
            began = clock()
            touched()
            try:
                ask()
            except OSError:  # an item removed the folder; to look for it takes as long
                pass
            _least = min(_least, clock() - began)
    return SHARE * _least
