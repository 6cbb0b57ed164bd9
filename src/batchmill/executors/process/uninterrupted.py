"""Keep signals from ending what must not be left half done in the main thread.

The handler of a signal runs in the main thread, between any two instructions, and what it raises, such as
KeyboardInterrupt, ends whatever runs there. While this is entered, the handlers wait.
"""

from __future__ import annotations

# without the enums of the public module, which take longer than the rest
import _signal  # type: ignore[import-not-found]  # typeshed has stubs of the public module only
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NAMES = "INT TERM HUP QUIT ALRM VTALRM PROF USR1 USR2 XCPU CHLD"
RAISING = tuple(
    int(getattr(_signal, f"SIG{name}")) for name in _NAMES.split() if hasattr(_signal, f"SIG{name}")
)
"""Signals whose handlers programs write to raise something."""


class Uninterrupted:
    """A context manager, to be used once. What it delays runs at the end, or in :meth:`interruptible`. A
    signal that comes again is handled at once: somebody wants out. Does nothing outside of the main thread.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._mine = self._met  # one object, to be known again
        self._heard: dict[int, FrameType | None] = {}
        self._waits = False

    def __enter__(self) -> Uninterrupted:
        if threading.current_thread() is threading.main_thread():
            for number in RAISING:
                before = _signal.getsignal(number)
                if callable(before):
                    self._before[number] = before
                    _signal.signal(number, self._mine)
        self._waits = True  # not before: what a handler raises in here ends this without `__exit__`
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            if _signal.getsignal(number) is self._mine:  # else one of the handlers set another
                _signal.signal(number, before)
        self._waits = False
        self._handle()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let handlers run meanwhile; raises what they raise."""
        try:
            self._waits = False
            self._handle()
            yield
        finally:
            self._waits = True

    def _handle(self) -> None:
        if self._heard:
            number, frame = self._heard.popitem()
            try:
                self._before[number](number, frame)
            finally:
                self._handle()

    def _met(self, number: int, frame: FrameType | None) -> object:
        if self._waits and number not in self._heard:
            self._heard[number] = frame
            return None
        return self._before[number](number, frame)
