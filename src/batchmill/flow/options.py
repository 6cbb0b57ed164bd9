"""How a batch class is to run its batch: the keys of a document's batch block, as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from batchmill.batch import BatchSettings
from batchmill.batch.api import settings_of
from batchmill.errors import InvalidSetting
from batchmill.executors.choose import KINDS, executor_named

ENGINE_ONLY = ("chunk_size", "retry_backoff", "retry_max_wait", "retry_jitter", "memory_limit")
MAX_WAIT = 60.0  # seconds; a longer wait that was asked for is not cut down to it


class BatchKeywords(TypedDict, total=False):
    """The keyword arguments of the batch classes; see :class:`BatchOptions`."""

    executor: str | None
    max_concurrent: int | None
    chunk_size: int | None
    retry_wait: float
    retry_backoff: float
    retry_max_wait: float | None
    retry_jitter: bool
    timeout: float | None
    error_handling: str
    tolerate: dict[str, float] | None
    memory_limit: int | None
    on_failure: Literal["cancel", "finish"] | None


class FlowKeywords(BatchKeywords, total=False):
    """Those of the batch flows: an entry of a batch flow may be tried again as a whole."""

    max_retries: int
    isolate: bool


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Named, ranged and defaulted as in a document's batch block; seconds and bytes.

    ``executor`` is ``"sequential"``, ``"thread"`` or ``"process"``. None keeps what the class does by
    itself: one item after another, or all at once in the caller's event loop for the async parallel
    classes. The other options then work as far as that goes; a sync class that is given some runs on
    threads where ``max_concurrent`` is among them, and one after another where it is not.

    ``timeout`` bounds one attempt of one item. Under ``error_handling="continue"`` a failed item is None
    in the results, which are then a :class:`~batchmill.flow.results.BatchResults` with ``errors``.
    ``on_failure`` says what the first failure that ends a batch does to items under way: ``cancel``
    them (the default in an event loop) or let them ``finish`` (the default on an executor).

    Of flows only: ``max_retries`` attempts for a whole entry, and ``isolate``: whether entries that run
    at the same time get a deep copy of the nodes each (True) or only the shallow copies every visit gets.

    Raises :class:`~batchmill.errors.InvalidSetting` out of range.
    """

    executor: str | None = None
    max_concurrent: int | None = None
    chunk_size: int | None = None
    max_retries: int = 1
    retry_wait: float = 0.0
    retry_backoff: float = 1.0
    retry_max_wait: float | None = None
    retry_jitter: bool = False
    timeout: float | None = None
    error_handling: str = "fail_fast"
    tolerate: dict[str, float] | None = None
    memory_limit: int | None = None
    on_failure: Literal["cancel", "finish"] | None = None
    isolate: bool = True

    def __post_init__(self) -> None:
        if self.executor is not None and self.executor not in KINDS:
            executor_named(self.executor)  # raises, saying which there are
        if self.on_failure not in (None, "cancel", "finish"):
            raise InvalidSetting(f"on_failure must be 'cancel' or 'finish', not {self.on_failure!r}")
        if self.executor is None and isinstance(self.max_concurrent, int) and self.max_concurrent > 0:
            self.settings(max_concurrent=None)  # in an event loop thousands are fine
        else:
            self.settings()

    @property
    def fail_fast(self) -> bool:
        return self.error_handling == "fail_fast"

    def settings(self, **instead: Any) -> BatchSettings:
        """What the engine is told; ``instead`` replaces keys of the block."""
        keys: dict[str, Any] = {
            "executor": self.executor or ("thread" if self.max_concurrent is not None else "sequential"),
            "max_concurrent": self.max_concurrent,
            "chunk_size": self.chunk_size,
            "max_retries": self.max_retries,
            "retry_wait": self.retry_wait,
            "retry_backoff": self.retry_backoff,
            "retry_jitter": self.retry_jitter,
            "timeout": self.timeout,
            "error_handling": self.error_handling,
            "tolerate": self.tolerate,
            "memory_limit": self.memory_limit,
            **instead,
        }
        longest = max(MAX_WAIT, keys["retry_wait"]) if self.retry_max_wait is None else self.retry_max_wait
        return settings_of(retry_max_wait=longest, **keys)

    def need_no_engine(self) -> None:
        """Raise :class:`InvalidSetting` where something is asked for that only an executor can do."""
        for name in ENGINE_ONLY:
            if getattr(self, name) != BatchOptions.__dataclass_fields__[name].default:
                raise InvalidSetting(f"{name} works on an executor: give executor='thread' or 'process' too")


DEFAULTS = BatchOptions()


def options_of(node: Any) -> BatchOptions:
    """The options of a node, defaults where it has none. An attribute of that name that is something
    else belongs to the program and says nothing to us."""
    found = getattr(node, "batch_options", None)
    return found if isinstance(found, BatchOptions) else DEFAULTS
