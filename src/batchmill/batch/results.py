"""Where the results of a batch node go as they come: kept, in memory or not, or dropped.

A further kind, :class:`~batchmill.batch.jsonl.JsonlResults`, writes them to a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from batchmill.lists import Rows
from batchmill.outcome import Block

Errors = Mapping[int, dict[str, Any]]
"""Error entries by offset into a block."""


class Results(Protocol):
    """Takes finished items in any order, each once. Used by one thread."""

    def add(self, block: Block, errors: Errors) -> None:
        """Take a block; ``errors`` has an entry for every item of it that failed. Raises
        :class:`~batchmill.errors.StorageError` or :class:`OSError` where there is no room for it."""

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """What the node gets under its id for them; ``complete``: none of the ``count`` items failed."""

    def close(self) -> None:
        """No more will come. May be called again. Raises as :meth:`add`."""


def entry(value: Any, item: Any) -> dict[str, Any]:
    """The entry of a finished item: the node's outputs and the item."""
    return {**(value or {}), "item": item}


class KeptResults:
    """Results as a list that is aligned with the items; a large one is not in memory."""

    def __init__(self) -> None:
        self._rows = Rows()

    def add(self, block: Block, errors: Errors) -> None:
        start = 0
        for offset in (*sorted(errors), len(block)):
            if offset > start:
                values, items = block.values[start:offset], block.items[start:offset]
                entries = [entry(value, item) for value, item in zip(values, items, strict=True)]
                self._rows.put_run(block.start + start, entries)
            start = offset + 1

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """``results``, and ``succeeded``: the same without the places of failed items."""
        results = self._rows.listed(count)
        return {"results": results, "succeeded": results if complete else self._rows.listed_present()}

    def close(self) -> None:
        pass


class DroppedResults:
    """Results that nobody wants."""

    def add(self, block: Block, errors: Errors) -> None:
        pass

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass
