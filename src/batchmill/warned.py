"""Warnings: likely mistakes in a document or a run.

Some come from checking the document before a run, the others from running nodes. All are the same plain data
and are handled alike: reported once, as they come, and listed in the result.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_POSITION = re.compile(r"\[[0-9]+\]")
_NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning.

    ``code`` names its kind for tools, such as ``unreached-node``; ``message`` says what is wrong, ``hint``
    what to write instead. ``path`` is the place in the document (``$.nodes[2].batch.items``) with ``line``
    and ``column`` from 1, both 0 if unknown; ``source`` is the file of a sub-workflow or of inputs that has
    the place, empty for the document itself. ``node`` is the address of the node that caused it while
    running, with the item's position if one item did; empty if nothing ran.
    """

    code: str
    message: str
    hint: str = ""
    path: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    node: str = ""

    @property
    def place(self) -> str:
        """The node, or the path with line and column, as far as they are known."""
        if self.node:
            return self.node
        path = "the document" if self.path in ("", "$") else self.path
        path = f"{self.source}: {path}" if self.source else path
        return f"{path} (line {self.line}, column {self.column})" if self.line else path

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"; {self.hint}" if self.hint else "")

    def as_json(self) -> dict[str, Any]:
        """The warning as plain data."""
        return asdict(self)

    @property
    def kind(self) -> tuple[str, ...]:
        """The key of warnings that are reported once: those of many items of one node are one."""
        node = _POSITION.sub("[]", self.node)
        same = "" if node != self.node else self.message
        return (self.code, self.source, self.path, node, same)


def _ignore(warned: Warned) -> None:
    """A collector that drops warnings."""


class Warnings:
    """The warnings of one run, each reported once to ``tell``.

    Concurrency: any thread may call any method. ``_lock`` guards ``_found``; ``tell`` is called outside of
    it, in the thread that adds.
    """

    def __init__(self, tell: Callable[[Warned], object] = _ignore) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, ...], Warned] = {}
        self._tell = tell

    def add(self, warned: Warned) -> bool:
        """Add a warning, unless there is one like it; whether there was none."""
        with self._lock:
            if self._found.setdefault(warned.kind, warned) is not warned:
                return False
        self._tell(warned)
        return True

    def listed(self) -> tuple[Warned, ...]:
        """The added warnings: those of the document first, then those of its nodes in document order."""
        with self._lock:
            found = list(self._found.values())
        return tuple(sorted(found, key=_order))


def _order(warned: Warned) -> tuple[object, ...]:
    """Warnings without a node keep their order."""
    return (True, _numbered(warned.path), _numbered(warned.node)) if warned.node else (False,)


def _numbered(text: str) -> list[object]:
    """``text`` in pieces that sort by number where they are numbers."""
    return [int(piece) if piece.isdecimal() else piece for piece in _NUMBER.split(text)]
