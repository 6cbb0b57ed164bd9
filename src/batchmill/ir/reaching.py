"""The one search of graphs: breadth first, each place once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def reached(starts: Iterable[T], following: Callable[[T], Iterable[T]]) -> list[T]:
    """The ``starts`` and all that can be reached from them, in breadth-first order; ``following`` gives the
    successors of a step."""
    found = list(dict.fromkeys(starts))
    seen = set(found)
    for place in found:  # which grows meanwhile
        for following_place in following(place):
            if following_place not in seen:
                seen.add(following_place)
                found.append(following_place)
    return found
