"""Find the origin of a KeyboardInterrupt: the user, who pressed Ctrl-C, or an item.

In the thread that handles signals both come out of the item's code and look alike. So while an item runs
there, the handler of SIGINT is wrapped by one that records whether the handler raised.
"""

from __future__ import annotations

# without the enums of the public module: this is done for every item
import _signal  # type: ignore[import-not-found]  # typeshed has stubs of the public module only
import threading
from types import FrameType
from typing import Any

SIGINT: int = _signal.SIGINT


class CtrlC:
    """A reusable context manager to run items in. Outside of the main thread it does nothing."""

    __slots__ = ("_before", "_in_main", "_mine", "raised")

    def __init__(self) -> None:
        self._in_main = threading.current_thread() is threading.main_thread()
        self._before: Any = None
        self._mine = self._met  # one object, to be known again
        self.raised = False

    def is_the_users(self, error: BaseException) -> bool:
        """Whether ``error``, raised since the last entering, must end the program and not only the item."""
        return self.raised and isinstance(error, KeyboardInterrupt)

    def __enter__(self) -> CtrlC:
        self.raised = False
        if self._in_main:
            before = _signal.getsignal(SIGINT)
            if callable(before) and before is not self._mine:  # else nobody would raise anything
                self._before = before
                _signal.signal(SIGINT, self._mine)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            if _signal.getsignal(SIGINT) is self._mine:  # else the item wants another one
                _signal.signal(SIGINT, self._before)
            self._before = None

    def _met(self, number: int, frame: FrameType | None) -> object:
        try:
            return self._before(number, frame)
        except KeyboardInterrupt:
            self.raised = True
            raise
