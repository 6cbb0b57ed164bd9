"""Read from the journal the failures inside of items that did not fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchmill.graph.node_run import SubReport
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.database import faults
from batchmill.journal.reading import Reader
from batchmill.journal.records import ItemRecord


def inner_errors(reader: Reader, item: ItemRecord) -> Iterator[dict[str, Any]]:
    """The failures inside an item that did not fail itself, in the form of
    :meth:`~batchmill.journal.reading.ItemRecord.as_json` with the address of the ``node``; ``index`` is None
    if there is no item of a batch there. Raises :class:`~batchmill.errors.StorageError`."""
    with faults(reader.journal.path):
        records = CODEC.read(item.records)
    for record in records:
        for entry in record.errors if isinstance(record, SubReport) else ():
            told = {key: entry.get(key) for key in ("node", "index", "item")}
            error = {key: entry.get(key) for key in ("type", "message", "kind")}
            yield {
                **told,
                "state": "failed",
                "value": None,
                "attempts": entry.get("attempts"),
                "error": error,
            }
