"""The settings of a batch, from the batch block of a document or the arguments of ``map``, as one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.errors import InvalidSetting
from batchmill.executors.contract import Choice, ExecutorSettings, OnDeath, OnWorker
from batchmill.policy import FailurePolicy, RetryPolicy
from batchmill.policy.concurrency import MOST_ADAPTIVE
from batchmill.traits import TRAITS, Traits

if TYPE_CHECKING:  # they import pydantic, and the arithmetic of limits
    from batchmill.batch.admissions.rate_gate import Gate
    from batchmill.ir.models.batch import BatchSpec


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Seconds and bytes. ``max_concurrent`` is 1 to 1000 in flight, more at the top of a range, None for
    the executor's default (10 threads, or one process per usable core). ``reason`` says why the executor
    differs from the one asked for. ``gate`` decides when items start; with None they start as workers
    become free. ``permits`` and ``slots`` are shared with other batches of a run: they limit the running
    chunks and the worker processes. ``keep_exceptions`` keeps the exceptions of failed items. A worker
    process is replaced after ``max_items_per_worker`` items. ``cluster`` says where workers on other
    machines are. Raises :class:`InvalidSetting` out of range."""

    executor: str = "thread"
    max_concurrent: int | None = None
    chunk_size: int | None = None
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    failures: FailurePolicy = field(default_factory=FailurePolicy)
    memory_limit_bytes: int | None = None
    max_items_per_worker: int | None = None
    reason: str = ""
    gate: Gate | None = None
    permits: FairSemaphore | None = None
    slots: FairSemaphore | None = None
    keep_exceptions: bool = False
    cluster: str | dict[str, Any] | None = None

    @classmethod
    def of_block(cls, block: BatchSpec, gate: Gate | None = None) -> BatchSettings:
        """The settings of a batch block, from a document or keyword arguments."""
        return cls(
            executor=block.executor_name,
            max_concurrent=block.fixed_concurrent,
            chunk_size=block.fixed_chunk_size,
            timeout=block.timeout,
            retry=block.retry_policy(),
            failures=block.failure_policy(),
            memory_limit_bytes=block.memory_limit,
            gate=gate,
        )

    def __post_init__(self) -> None:
        _check("max_concurrent", self.max_concurrent, 1, MOST_ADAPTIVE)
        _check("chunk_size", self.chunk_size, 1, None)
        _check("memory_limit_bytes", self.memory_limit_bytes, 1, None)
        _check("max_items_per_worker", self.max_items_per_worker, 1, None)
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise InvalidSetting(f"timeout must be more than 0 seconds, not {self.timeout}")

    @property
    def traits(self) -> Traits:
        """The traits of the executor."""
        return TRAITS[self.executor]

    def for_executor(
        self,
        on_choice: Callable[[Choice], None] | None = None,
        on_death: OnDeath | None = None,
        on_worker: OnWorker | None = None,
    ) -> ExecutorSettings:
        """The settings that an executor needs, and the callbacks that it calls."""
        return ExecutorSettings(
            max_concurrent=self.max_concurrent,
            chunk_size=self.chunk_size,
            timeout=self.timeout,
            retry=self.retry,
            stop_on_failure=self.failures.fail_fast,
            judges_failures=self.failures.judged_before_the_end,
            memory_limit_bytes=self.memory_limit_bytes,
            max_items_per_worker=self.max_items_per_worker,
            by_attempt=self.gate is not None,
            by_permit=self.permits is not None,
            slots=self.slots,
            keep_exceptions=self.keep_exceptions,
            cluster=self.cluster,
            on_choice=on_choice,
            on_death=on_death,
            on_worker=on_worker,
        )


def _check(name: str, value: int | None, least: int, most: int | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{name} must be a whole number, not {value!r}")
    if value < least or (most is not None and value > most):
        span = f"{least} to {most}" if most else f"{least} or more"
        raise InvalidSetting(f"{name} must be {span}, not {value}")
