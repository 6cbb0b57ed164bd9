"""Batches: one task over many items, on any executor, with results aligned with the items."""

from batchmill.batch.api import imap, map  # noqa: A004  # the name users expect, as in `batchmill.map`
from batchmill.batch.engine import Batch, Ending, OnBlock, run_batch, stream_batch
from batchmill.batch.result import BatchResult
from batchmill.batch.settings import BatchSettings
from batchmill.batch.sources import as_source

__all__ = [
    "Batch",
    "BatchResult",
    "BatchSettings",
    "Ending",
    "OnBlock",
    "as_source",
    "imap",
    "map",
    "run_batch",
    "stream_batch",
]
