"""Cutting texts short for people, with secrets masked first.

A cut through the middle of a secret would leave a part that no search finds. So all code that shortens a text
does it here: every secret known in this process is masked before the cut.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Literal, Protocol

MASK = "***"
MORE = "..."  # stands for what was cut off
OVERLAP_BYTES = 16384  # more than a secret has in any form, for who cuts what is still being read


class Hiding(Protocol):
    """Masks the secrets of one run in a text."""

    def text(self, text: str) -> str: ...

    def value(self, value: object) -> Any: ...

    def places(self, text: str) -> list[tuple[int, int]]: ...

    def begun(self, text: str) -> int: ...


_lock = threading.Lock()
_known: tuple[weakref.ref[Hiding], ...] = ()  # replaced as a whole, under _lock


def remember(hiding: Hiding) -> None:
    """Apply ``hiding`` to every text that is cut short, for as long as it lives."""
    global _known
    with _lock:
        _known = (*(known for known in _known if known() is not None), weakref.ref(hiding))


def _alive() -> list[Hiding]:
    return [hiding for known in _known if (hiding := known()) is not None]


def hidden(text: str) -> str:
    """``text`` with every secret masked that is known in this process."""
    for hiding in _alive():
        text = hiding.text(text)
    return text


def hidden_in(value: object) -> object:
    """``value`` with every such secret masked in all text in it."""
    for hiding in _alive():
        value = hiding.value(value)
    return value


def begun(text: str) -> int:
    """How much of ``text``, the beginning of a longer one, can be shown: up to the beginning of a secret that
    may continue."""
    return min((hiding.begun(text) for hiding in _alive()), default=len(text))


def cut(text: str, limit: int) -> str:
    """The first ``limit`` characters of ``text``, without the beginning of a secret that crosses the limit,
    which could not be found afterwards."""
    for hiding in _alive():
        limit = min((start for start, stop in hiding.places(text) if start < limit < stop), default=limit)
    return text[:limit]


def cut_bytes(data: bytes, limit: int) -> bytes:
    """The same for the first ``limit`` bytes of ``data``."""
    head = data[:limit].decode("utf-8", "surrogateescape")
    kept = cut(data.decode("utf-8", "surrogateescape"), len(head))
    return data[:limit] if len(kept) == len(head) else kept.encode("utf-8", "surrogateescape")


def shortened(text: str, limit: int, keep: Literal["start", "end"] = "start", *, more: str = MORE) -> str:
    """``text`` with secrets masked and then no longer than ``limit`` characters; ``more`` is added where
    something was cut off."""
    shown = hidden(text)
    if len(shown) <= limit:
        return shown
    return shown[:limit] + more if keep == "start" else more + shown[len(shown) - limit :]
