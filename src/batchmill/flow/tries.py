"""The attempts of ``exec``: the engine's, with the retry settings of a node."""

from __future__ import annotations

import time
from typing import NamedTuple

from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Task
from batchmill.executors.describe import outline
from batchmill.executors.running.attempts import Attempts, Job, Wait
from batchmill.outcome import NO_REFUSALS, ErrorInfo, Refusals
from batchmill.policy import RetryDecision
from batchmill.record import Recorder


class NodeRetries(NamedTuple):
    """The retry settings of a node: ``most`` attempts, any number, ``wait`` seconds apart. Unlike the
    engine's :class:`~batchmill.policy.RetryPolicy` it has no maximum and no backoff, and counts refusals as
    failures."""

    most: int
    wait: float

    def decide(
        self,
        attempts: int,
        error: ErrorInfo,
        raised: BaseException | None = None,
        before: Refusals = NO_REFUSALS,
    ) -> RetryDecision:
        """As :meth:`RetryPolicy.decide <batchmill.policy.RetryPolicy.decide>`."""
        again = error.retryable and attempts < self.most
        return RetryDecision(again, self.wait if again else 0.0, f"try {attempts} of {self.most}", before)


class Tries:
    """The attempts of one call, which has failed once. The caller asks :meth:`again` after each failure.

    Used by one thread or task.
    """

    def __init__(self, most: int, wait: float) -> None:
        job = Job(Task(), NodeRetries(most, wait))
        self._attempts = Attempts(job, 0, Recorder(), CancelToken(), time.perf_counter(), None)

    def again(self, retry: int, error: Exception) -> float | None:
        """The try that the node counts as ``retry``, from 0, ended in ``error``: returns the seconds to wait
        before the next one, None if that was the last. A node may change its counter, for example to give up
        early."""
        self._attempts.number = retry + 1
        then = self._attempts.failed(outline(error))
        return then.seconds if isinstance(then, Wait) else None
