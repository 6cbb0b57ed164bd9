"""Destinations of a batch node's entries as they come: kept, in memory or on disk, or dropped.

A further kind, :class:`~batchmill.batch.results.jsonl.JsonlResults`, writes them to files.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from batchmill.block import Block
from batchmill.lists import ABSENT, Rows
from batchmill.values import all_plain

PATH_KEY = "results_path"  # outputs of a node whose results are in files
ERRORS_PATH_KEY = "errors_path"
Errors = Mapping[int, dict[str, Any]]
"""Error entries by offset into a block."""


class Results(Protocol):
    """Takes finished entries in any order, each once. Used by one thread."""

    def add(self, block: Block, errors: Errors) -> None:
        """Take a block whose values are entries; ``errors`` has one for every item that failed. Raises
        :class:`~batchmill.errors.StorageError` or :class:`OSError` if there is no room for it."""

    def close(self, *, complete: bool) -> None:
        """No more will come; ``complete``: the batch has not failed. May be called again. Raises as
        :meth:`add`."""

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """The outputs of the node. ``complete``: none of the ``count`` items failed."""


def is_unstarted(error: dict[str, object]) -> bool:
    """Whether an error entry belongs to an item that never started."""
    return error["kind"] == "cancelled" and not error["attempts"]


class KeptResults:
    """Results as a list that is aligned with the items; a large one is on disk."""

    def __init__(self) -> None:
        self._rows = Rows(are_plain=partial(all_plain, basic=True))

    def add(self, block: Block, errors: Errors) -> None:
        values = block.values
        if errors or None in values:  # an entry is an object; None is that of an item that was skipped
            values = [
                ABSENT if offset in errors or value is None else value for offset, value in enumerate(values)
            ]
        self._rows.put_run(block.start, values)

    def close(self, *, complete: bool) -> None:
        pass

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """``results``, and ``succeeded``: the same without the places of failed items."""
        results = self._rows.listed(count)
        return {"results": results, "succeeded": results if complete else self._rows.listed_present()}


class DroppedResults:
    """Drops results."""

    def add(self, block: Block, errors: Errors) -> None:
        pass

    def close(self, *, complete: bool) -> None:
        pass

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        return {}
