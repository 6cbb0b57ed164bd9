"""Jobs on their way to workers: whatever was dropped meanwhile, a parcel leads to the whole job."""

from __future__ import annotations

import os

from batchmill.executors.contract import Task
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.payload import INLINE_BYTES, unwrap
from batchmill.executors.process.pool import shared_pool
from batchmill.executors.running.attempts import Job


class Large(Task):
    """A task that travels in a file."""

    def __init__(self, mark: bytes) -> None:
        self.content = mark * (INLINE_BYTES + 1)


def test_a_job_is_whole_again_after_its_file_was_dropped() -> None:
    """Two jobs in two environments each: the file of the first one is dropped before the parcel that names
    it."""
    pool = shared_pool()
    first, second = Job(Large(b"a")), Job(Large(b"b"))
    for job, around in ((first, b"1"), (first, b"2"), (second, b"1"), (second, b"2")):
        PackedJob(job, pool, around=around).withdraw()
    packed = PackedJob(first, pool, around=b"2")
    try:
        around, inner = unwrap(packed.parcel, keep=True)
        assert around == b"2"
        assert os.path.exists(inner.path)
    finally:
        packed.withdraw()
