"""The inside of unfinished items for a rehearsal: it reads their files without changing them.

:mod:`batchmill.journal.items_under_way` describes the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchmill.journal.contract import ContentKey, Kept
from batchmill.journal.inside_log import NODE, InsideLog, ItemFile, Line
from batchmill.journal.items_under_way import ItemsUnderWay
from batchmill.outcome import Outcome
from batchmill.values.words import without_items


class RehearsedItems(ItemsUnderWay):
    """The files that earlier passes left. Used by one thread."""

    @property
    def any_left(self) -> bool:
        """Whether there are any."""
        if self._left is None:
            self._left = self._of_earlier_passes()
        return any(self._left.values())

    def _claim(self, left: str, path: str) -> str:
        return left

    def _log(self, file: ItemFile, known: dict[str, list[Line]]) -> RehearsedInside:
        return RehearsedInside(file, known)


@dataclass(slots=True)
class _Counts:
    kept: Kept = field(default_factory=Kept)


class RehearsedInside(InsideLog):
    """The log of the inside of an item, which counts requests and saves nothing."""

    changes: Mapping[str, Sequence[str]] = {}  # never filled: a file has no parts of keys

    def __init__(self, file: ItemFile, known: dict[str, list[Line]], within: str = "") -> None:
        super().__init__(file, known, within=within)
        self._counts = _Counts()

    def inside(self, item: str) -> RehearsedInside:
        made = RehearsedInside(self._file, self._known, self._key(item))
        made._counts = self._counts  # of the same class
        return made

    def take(self, node: str, key: str, index: int, standing: ContentKey) -> tuple[Outcome, str] | None:
        found = super().take(node, key, index, standing)
        self._counts.kept += Kept(new=1) if found is None else Kept(kept=1)
        return found

    def counts(self) -> Kept:
        """The requests so far: ``kept`` if the outcome is known, else ``new``."""
        return replace(self._counts.kept)

    def left(self, node: str) -> int:
        """The number of saved outcomes of the node at that address that were not requested."""
        name = without_items(node)
        return sum(one.get(NODE) == name for lines in self._known.values() for one in lines)
