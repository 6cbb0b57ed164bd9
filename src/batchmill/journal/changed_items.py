"""The items of a batch that differ from the last pass, and their differences in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from batchmill.journal.digest import digest_of_text
from batchmill.values.words import count, on_one_line

Named = Callable[[Any, int], Sequence[str]]
"""The dependencies of an item's result besides the item itself, in words, by item and index."""

_LONGEST = 60  # characters of an item that is shown


class ChangedItems:
    """Counts two kinds of changed items: those with other content, and those that refer to a changed value;
    keeps the first of each as an example. ``named`` gives the references of an item; ``mask`` removes secrets
    from a text. Used by one thread at a time."""

    def __init__(self, named: Named | None, mask: Callable[[str], str]) -> None:
        self._named = named
        self._mask = mask
        self._others = self._same = 0
        self._other_example = self._same_example = ""

    def note(self, index: int, item: object, before: str, now: str | None) -> None:
        """Note an item without a result that replaces one with the JSON text ``before``, or the digest of
        that; its own text is ``now``."""
        now = self._mask(now or "")
        if before not in (now, digest_of_text(now)):
            self._others += 1
            if self._others == 1:
                self._other_example = f"item {index}: {on_one_line(now, _LONGEST)}"
            return
        self._same += 1
        if self._same == 1:
            words = ", ".join(() if self._named is None else self._named(item, index)) or now
            self._same_example = f"item {index}: {on_one_line(self._mask(words), _LONGEST)}"

    def reasons(self) -> list[str]:
        """The changes, with the number of items and an example of each kind; empty if none were noted."""
        found = []
        if self._others:
            found.append(f"its items ({count(self._others, 'item')}, such as {self._other_example})")
        if self._same:
            what = "what its items refer to"
            found.append(f"{what} ({count(self._same, 'item')}, such as {self._same_example})")
        return found
