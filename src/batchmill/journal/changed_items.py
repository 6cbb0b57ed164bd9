"""Which items of a batch differ from the last pass, and what in them differs, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from batchmill.values.words import count, shortened

Named = Callable[[Any, int], Sequence[str]]
"""What an item's result depends on besides the item itself, in words, by item and index."""

_LONGEST = 60  # characters of an item that is shown


class ChangedItems:
    """Counts two kinds of changed items: those with other content, and those that refer to something that
    changed; keeps the first of each as an example. ``named`` says what items refer to; ``mask`` removes
    secrets from a text. Used by one thread at a time."""

    def __init__(self, named: Named | None, mask: Callable[[str], str]) -> None:
        self._named = named
        self._mask = mask
        self._others = self._same = 0
        self._other_example = self._same_example = ""

    def note(self, index: int, item: object, before: str, now: str | None) -> None:
        """Note an item that has no result, in whose place one with the JSON text ``before`` stood; its own
        is ``now``."""
        now = self._mask(now or "")
        if before != now:
            self._others += 1
            if self._others == 1:
                self._other_example = f"item {index}: {shortened(now, _LONGEST)}"
            return
        self._same += 1
        if self._same == 1:
            words = ", ".join(() if self._named is None else self._named(item, index)) or now
            self._same_example = f"item {index}: {shortened(self._mask(words), _LONGEST)}"

    def reasons(self) -> list[str]:
        """What changed, with how many items and an example of each kind; empty if nothing was noted."""
        found = []
        if self._others:
            found.append(f"its items ({count(self._others, 'item')}, such as {self._other_example})")
        if self._same:
            what = "what its items refer to"
            found.append(f"{what} ({count(self._same, 'item')}, such as {self._same_example})")
        return found
