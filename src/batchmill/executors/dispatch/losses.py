"""Pure rules for a chunk whose worker is gone.

Finished items count. The item that the worker was running loses that one attempt, which is repeated or
charged to the item. Items that had not begun go to others. If the worker died while several items, or their
results, were being pickled, it is unknown which one caused it: they continue one by one, so the next death
identifies its item.
"""

from __future__ import annotations

from typing import NamedTuple

from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.link import CANCELLED, TIMED_OUT, TOO_LARGE, Death
from batchmill.executors.running.attempts import Job, lost_attempt
from batchmill.outcome import ErrorInfo, Outcome, cancelled


class AfterDeath(NamedTuple):
    """``again`` are chunks to take again, ``ended`` is the outcome of the item that was lost for good,
    ``cost`` are the indices of the items that lost an attempt, or may have caused the death."""

    again: list[Chunk]
    ended: Outcome | None = None
    cost: range = range(0)


def after_death(job: Job, rest: Chunk, done: int, death: Death, worker: int) -> AfterDeath:
    """Decide on the ``rest`` of a chunk after its first ``done`` items, which were finished, when its
    ``worker`` (its number in the batch) died."""
    first = max(0, death.suspects.start - done)
    end = min(len(rest), max(0, death.suspects.stop - done))
    if first >= end or (end - first == 1 and _innocent(job, death)):
        return AfterDeath([rest])
    again = [one for one in (_part(rest, 0, first), _part(rest, end, len(rest))) if one is not None]
    cost = range(rest.start + first, rest.start + end)
    if len(cost) > 1:
        again += [rest.part(offset, offset + 1) for offset in range(first, end)]
        return AfterDeath(again, cost=cost)
    settled = _charged(job, rest, first, death, worker)
    if isinstance(settled, Chunk):
        return AfterDeath([*again, settled], cost=cost)
    return AfterDeath(again, settled, cost)


def _part(chunk: Chunk, start: int, end: int) -> Chunk | None:
    return chunk.part(start, end) if start < end else None


def _innocent(job: Job, death: Death) -> bool:
    """Whether the overdue item had just ended when its worker was killed: another had begun, or none."""
    return death.verdict == TIMED_OUT and (death.age is None or death.age < (job.timeout or 0.0))


def _charged(job: Job, rest: Chunk, offset: int, death: Death, worker: int) -> Chunk | Outcome:
    """The item's attempt is gone with the worker."""
    attempts = max(death.attempt, rest.attempts + 1)
    if death.verdict == CANCELLED:
        return cancelled(rest.start + offset, attempts)
    if death.verdict == TIMED_OUT:
        message = f"no result within {job.timeout:g} s; {death.worker} was killed"
        error = ErrorInfo("AttemptTimeout", message, "timeout")
    else:
        error = worker_died(death)
    return lost_attempt(job, rest, offset, attempts, error, death.began, worker)


def worker_died(death: Death) -> ErrorInfo:
    """The error of an item that its worker died of."""
    cause = f"was {death.verdict}" if death.verdict == TOO_LARGE else death.reason
    return ErrorInfo("WorkerDied", f"{death.worker} {cause}", "worker_died")
