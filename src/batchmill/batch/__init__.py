"""Batches: one task over many items, on any executor, with results aligned with the items."""

from batchmill.batch.engine import Batch, BatchEnd, OnBlock, run_batch, stream_batch
from batchmill.batch.results.batch_result import BatchResult
from batchmill.batch.settings import BatchSettings
from batchmill.items.sources import as_source

__all__ = [
    "Batch",
    "BatchEnd",
    "BatchResult",
    "BatchSettings",
    "OnBlock",
    "as_source",
    "run_batch",
    "stream_batch",
]
