"""What attempts of a run recorded, read out of its journal: also of one that is running, or was killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from batchmill.graph.recorded import CODEC
from batchmill.graph.visit import SubReport
from batchmill.journal.contract import RunRecord
from batchmill.journal.database import faults
from batchmill.journal.reading import ItemRecord, Reader, VisitRecord
from batchmill.record import LLMCall


def calls_of(reader: Reader, run: RunRecord) -> Iterator[dict[str, Any]]:
    """The calls of every outcome that the journal has of the run, those inside sub-workflows included, as the
    entries of ``llm_calls`` in a result. Raises :class:`~batchmill.errors.StorageError`."""
    for visit, item in reader.recorded(run):
        yield from calls_in(reader, visit, item)


def calls_in(reader: Reader, visit: VisitRecord, item: ItemRecord) -> Iterator[dict[str, Any]]:
    """Those of one outcome. Raises :class:`~batchmill.errors.StorageError`."""
    with faults(reader.journal.path):
        records = CODEC.read(item.records)
    place = {"node": visit.address, "index": item.index if visit.is_batch else None}
    for call in _flat(records):
        fields = call.as_json() if isinstance(call, LLMCall) else dict(call)
        yield fields if fields.get("node") else {**fields, **place}


def inner_errors(reader: Reader, item: ItemRecord) -> Iterator[dict[str, Any]]:
    """What failed inside of an item that did not fail itself, in the form of
    :meth:`~batchmill.journal.reading.ItemRecord.as_json` with the address of the ``node``; ``index`` is None
    of what is no item of a batch there. Raises :class:`~batchmill.errors.StorageError`."""
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


def _flat(records: Iterable[Any]) -> Iterator[Any]:
    for record in records:
        if isinstance(record, SubReport):
            yield from _flat(record.calls)
        elif isinstance(record, (LLMCall, dict)):
            yield record
