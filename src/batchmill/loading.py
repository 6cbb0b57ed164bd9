"""The collector of cycles while modules are loaded, in a process of the command's own.

Modules hold hundreds of thousands of objects that never go away. The collector would look through them again
and again, while they are loaded and later. And it looks everywhere only once a quarter as many objects have
come as there were the last time: until then, what dies in a cycle keeps its memory. So the command leaves
modules out. In a user's process the collector is the user's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_own = False


def begin() -> None:
    """This process is the command's own, and loads it: the collector rests until :func:`loaded`."""
    global _own  # a fact of the process
    _own = True
    gc.disable()


def loaded() -> None:
    """Leave out all that there is now, and let the collector look again."""
    if _own:
        if hasattr(gc, "freeze"):  # PyPy has none
            gc.freeze()
        gc.enable()


@contextmanager
def loading() -> Iterator[None]:
    """A context that loads something large."""
    if _own:
        gc.disable()
    try:
        yield
    finally:
        loaded()
