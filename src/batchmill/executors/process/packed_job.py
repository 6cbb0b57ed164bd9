"""A batch's job on its way to workers: pickled once, known by its digest, shipped once to each worker."""

from __future__ import annotations

import hashlib
import pickle

from batchmill.errors import NotPicklable
from batchmill.executors.cores import usable_cores
from batchmill.executors.pickling import pickler
from batchmill.executors.pickling.pickler import Stream
from batchmill.executors.process.environment import ProcessEnvironment
from batchmill.executors.process.payload import wrap
from batchmill.executors.process.pool import Pool
from batchmill.executors.running.attempts import Job


class PackedJob:
    """A job and its environment, packed. ``digest`` names both: a worker that has seen it needs only the
    digest, in this batch or a later one. ``pace`` has the measurements of an earlier batch with the digest;
    this batch updates it. ``n_workers`` processes share the cores.

    ``around`` is the environment, as a pickle; None for the present one of this process.

    Raises :class:`NotPicklable` naming the attribute at fault.
    """

    def __init__(self, job: Job, pool: Pool, n_workers: int = 1, around: bytes | None = None) -> None:
        task = _pack_job(job)
        if around is None:
            around = ProcessEnvironment.packed(max(1, usable_cores() // n_workers))
        packed = pool.publish(task.digest(), lambda: wrap(task.stream, task.buffers, pool.folders))
        self._pool = pool
        self._parts = [task.digest(), task.digest(around)]
        self.digest = self._parts[1]
        self.parcel = pool.publish(
            self.digest, lambda: wrap(pickle.dumps((around, packed), 5), [], pool.folders)
        )
        self.pace = pool.paces.of(self.digest)

    def withdraw(self) -> None:
        """The batch is over; the pool may drop the data that it kept for it."""
        if self.pace is not None:
            self._pool.paces.keep(self.digest, self.pace)
        for digest in self._parts:
            self._pool.withdraw(digest)


class _Pickled:
    def __init__(self, stream: Stream, buffers: list[pickle.PickleBuffer]) -> None:
        self.stream = stream
        self.buffers = buffers
        self._hash = hashlib.blake2b(stream, digest_size=16)
        for buffer in buffers:
            self._hash.update(buffer)

    def digest(self, more: Stream = b"") -> bytes:
        """The digest of the job, or of the job together with ``more``."""
        extended = self._hash.copy()
        extended.update(more)
        return extended.digest()


def _pack_job(job: Job) -> _Pickled:
    buffers: list[pickle.PickleBuffer] = []
    try:
        plain = pickler.goes_by_name(job.task.only_function)
        return _Pickled(pickler.dumps(job, buffers, plain=plain), buffers)
    except NotPicklable:
        raise
    except Exception as fault:
        raise pickler.refusal(job.task, fault, "task") from fault
