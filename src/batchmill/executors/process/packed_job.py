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
from batchmill.policy import RetryPolicy


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
        self.digest = task.digest(around)
        # The parcel names the file of the task; once that was dropped and made anew, an old one is useless.
        whole = self.digest + (packed.path or "").encode()
        self._parts = [task.digest(), whole]
        try:
            self.parcel = pool.publish(
                whole, lambda: wrap(pickle.dumps((around, packed), 5), [], pool.folders)
            )
        except BaseException:  # such as no room for it
            pool.withdraw(task.digest())
            raise
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


_last: tuple[tuple[object, ...], _Pickled] | None = None  # replaced as a whole


def _pack_job(job: Job) -> _Pickled:
    """The job, pickled. That of a function which goes by its name, and has not changed its place since the
    last batch, is known from that."""
    global _last
    buffers: list[pickle.PickleBuffer] = []
    try:
        if not pickler.goes_by_name(job.task.only_function):
            return _Pickled(pickler.dumps(job, buffers, plain=False), buffers)
        key, last = _key(job), _last
        if key is not None and last is not None and last[0] == key:
            return last[1]
        packed = _Pickled(pickler.dumps(job, buffers, plain=True), buffers)
        if key is not None:
            _last = key, packed
        return packed
    except NotPicklable:
        raise
    except Exception as fault:
        raise pickler.refusal(job.task, fault, "task") from fault


def _key(job: Job) -> tuple[object, ...] | None:
    """What the pickle of a job is made of, whose task is only a function with a name; None if part of it may
    change without being another object."""
    if type(job.retry) is not RetryPolicy or job.on_retry is not None:
        return None
    kind, function = type(job.task), job.task.only_function
    flags = job.stop_on_failure, job.by_attempt, job.judges_failures, job.keep_exceptions
    return kind, function, job.retry, job.timeout, flags
