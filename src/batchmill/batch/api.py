"""``map`` and ``imap``: the engine for a Python function, without a document."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Generic, TypeVar

from batchmill.attempt import Attempt
from batchmill.batch.closing import close_when_dropped
from batchmill.batch.engine import Batch, run_batch
from batchmill.batch.gate import Gate, Gates
from batchmill.batch.result import BatchResult
from batchmill.batch.settings import BatchSettings
from batchmill.errors import BatchFailed, InvalidSetting
from batchmill.executors.contract import Task
from batchmill.policy import FailurePolicy, RetryPolicy
from batchmill.policy.limits import Limits
from batchmill.policy.span import Span

_LIMITS = ("per_second", "burst", "tokens_per_minute", "max_concurrent")
T = TypeVar("T")
R = TypeVar("R")


class FunctionTask(Generic[T, R]):
    """A plain function as a task. Threads share it, as they would share any function."""

    share = True

    def __init__(self, function: Callable[[T], R]) -> None:
        self.function = function

    @property
    def only_function(self) -> Callable[[T], R]:
        """The function, which is all there is to the task."""
        return self.function

    def run(self, item: T, index: int, attempt: Attempt) -> R:
        return self.function(item)


def as_task(function: Any) -> Task:
    """The task of a function, or of an object that makes its own with ``as_task()``, such as a node."""
    if callable(make := getattr(function, "as_task", None)):
        task: Task = make()
        return task
    if not callable(function):
        raise InvalidSetting(f"a function or a node is needed, not {type(function).__name__}")
    return FunctionTask(function)


def settings_of(
    *,
    executor: str = "thread",
    max_concurrent: int | str | None = None,
    chunk_size: int | None = None,
    max_retries: int = 1,
    retry_wait: float = 0.0,
    retry_backoff: float = 1.0,
    retry_max_wait: float = 60.0,
    retry_jitter: bool = True,
    timeout: float | None = None,
    error_handling: str = "fail_fast",
    tolerate: dict[str, float] | None = None,
    memory_limit: int | None = None,
    rate_limit: Mapping[str, Any] | None = None,
) -> BatchSettings:
    """The settings that the keys of a document's batch block stand for; ranges are those of the keys."""
    if error_handling not in ("fail_fast", "continue", "fail_safe"):
        raise InvalidSetting(f"error_handling must be 'fail_fast' or 'continue', not {error_handling!r}")
    tolerate = tolerate or {}
    if unknown := set(tolerate) - {"count", "percent"}:
        raise InvalidSetting(f"tolerate has only 'count' and 'percent', not {sorted(unknown)[0]!r}")
    count = tolerate.get("count")
    span = Span.parse(max_concurrent) if isinstance(max_concurrent, str) else None
    return BatchSettings(
        executor=executor,
        max_concurrent=_workers(max_concurrent, executor),
        chunk_size=chunk_size,
        timeout=timeout,
        retry=RetryPolicy(max_retries, retry_wait, retry_backoff, retry_max_wait, retry_jitter),
        failures=FailurePolicy(
            error_handling == "fail_fast", None if count is None else int(count), tolerate.get("percent")
        ),
        memory_limit_bytes=memory_limit,
        gate=_gate(rate_limit, span, retry_max_wait),
    )


def _workers(wanted: int | str | None, executor: str) -> int | None:
    """How many items workers are needed for; ``auto`` takes what the executor has of processes."""
    if not isinstance(wanted, str):
        return wanted
    return None if wanted == "auto" and executor == "process" else Span.parse(wanted).most


_gates = Gates()  # of this process: calls that name the same key share its limit


def _gate(rate_limit: Mapping[str, Any] | None, span: Span | None, longest_pause: float) -> Gate | None:
    """What lets items start, None where nothing limits them. Raises :class:`InvalidSetting`."""
    if rate_limit is None and span is None:
        return None
    asked = dict(rate_limit or {})
    key = asked.pop("key", None)
    if unknown := set(asked) - set(_LIMITS):
        known = ", ".join((*_LIMITS, "key"))
        raise InvalidSetting(f"rate_limit has no {sorted(unknown)[0]!r}; it has {known}")
    limits = Limits(**asked, adaptive=span)
    gates = Gates() if key is None else _gates
    return Gate(gates, gates.lane(str(key), Limits()), longest_pause=longest_pause, limits=limits)


def map(function: Callable[[T], R], items: Iterable[T], **settings: Any) -> BatchResult[R]:  # noqa: A001  # the name users expect
    """Run ``function`` (or a node) on every item; the results in input order.

    Settings are the keys of a batch block: ``executor`` ("thread", "process", "sequential"),
    ``max_concurrent``, ``chunk_size``, ``max_retries``, ``retry_wait``, ``retry_backoff``,
    ``retry_max_wait``, ``retry_jitter``, ``timeout``, ``error_handling``, ``tolerate``,
    ``memory_limit`` (bytes per worker process) and ``rate_limit``. Calls whose ``rate_limit`` names the same
    ``key`` share its limit; where they ask for different ones the strictest of those at work holds.

    Raises :class:`BatchFailed`, which carries the finished part, when an item failed under
    ``fail_fast`` or more failed than tolerated; :class:`InvalidSetting` for settings out of range;
    and whatever iterating over ``items`` raises. With ``error_handling="continue"`` and no
    tolerance nothing is raised for failed items: see ``.errors``.
    """
    chosen = settings_of(**settings)
    result: BatchResult[R] = run_batch(as_task(function), items, chosen)
    if result.failure is not None and _raises(chosen, result):
        raise BatchFailed(_first_error(result), result)
    return result


def imap(
    function: Callable[[T], R], items: Iterable[T], *, ordered: bool = True, **settings: Any
) -> Stream[R]:
    """Like :func:`map`, but yields results while items run, holding only a window of them.

    ``items`` may be endless. ``ordered=False`` yields results as they come. Under ``fail_fast`` the
    first failure raises :class:`BatchFailed` in its place, or in that of an item before it that was then
    not started any more; under ``continue`` a failed item yields None and its error goes to the stream's
    ``errors``. Closing the stream, or leaving the loop and
    dropping it, stops the batch.
    """
    return Stream(Batch(as_task(function), items, settings_of(**settings), ordered=ordered))


class Stream(Iterator[R | None]):
    """The results of :func:`imap`. ``errors`` lists the failures met so far, as plain data.

    Used by one thread at a time, like any iterator.
    """

    def __init__(self, batch: Batch) -> None:
        self.errors: list[dict[str, Any]] = []
        self._values = _values(batch, self.errors)  # knows nothing of this object, which so can be dropped
        self._unless_dropped = close_when_dropped(self, self._values)

    def __next__(self) -> R | None:
        try:
            value: R | None = next(self._values)
        except BatchFailed as failure:
            self._unless_dropped.detach()
            raise BatchFailed(failure.message, self) from None
        except BaseException:
            self._unless_dropped.detach()
            raise
        return value

    def close(self) -> None:
        """Stop the batch: nothing new starts, running items get a moment and are then given up."""
        self._values.close()
        self._unless_dropped.detach()


def _values(batch: Batch, errors: list[dict[str, Any]]) -> Generator[Any, None, None]:
    """The values of a batch as they come; errors are appended to ``errors``."""
    fail_fast = batch.settings.failures.fail_fast
    broken = False  # an item was cancelled: the failure that did it is still to come, values are not
    with closing(batch.blocks()) as blocks:
        for block in blocks:
            if not block.special and not broken:
                yield from block.values
                continue
            for outcome in block.outcomes():
                if outcome.error is not None:
                    errors.append(outcome.as_error(block.items[outcome.index - block.start]))
                    if fail_fast and outcome.error.kind != "cancelled":
                        raise BatchFailed(_say(errors[-1]))
                    broken = broken or fail_fast
                if not broken:
                    yield outcome.value
    if not fail_fast and (why := batch.watch.verdict()) and _tolerates(batch.settings):
        raise BatchFailed(why)


def _raises(settings: BatchSettings, result: BatchResult[Any]) -> bool:
    return settings.failures.fail_fast or result.stopped or _tolerates(settings)


def _tolerates(settings: BatchSettings) -> bool:
    failures = settings.failures
    return failures.tolerate_count is not None or failures.tolerate_percent is not None


def _first_error(result: BatchResult[Any]) -> str:
    real = [error for error in result.errors if error["kind"] != "cancelled"]
    return f"{result.failure}; first: {_say(real[0])}" if real else str(result.failure)


def _say(error: dict[str, Any]) -> str:
    where = f"item {error['index']} (attempt {error['attempts']})"
    return f"{where}: {error['type']}: {error['message']}"
