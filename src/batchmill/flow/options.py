"""The options of a batch class: the keys of a document's batch block, as arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypedDict

from batchmill.batch import BatchSettings
from batchmill.errors import InvalidSetting
from batchmill.mapping.keywords import ErrorHandling, Executor, refuse, settings_of

OnFailure = Literal["cancel", "finish"]
ENGINE_ONLY = ("chunk_size", "retry_backoff", "retry_max_wait", "retry_jitter", "memory_limit")
MAX_WAIT = 60.0  # seconds; does not shorten a longer `retry_wait`


class BatchKeywords(TypedDict, total=False):
    """The keyword arguments of the batch classes; see :class:`BatchOptions`."""

    executor: Executor | None
    max_concurrent: int | str | None
    chunk_size: int | Literal["auto"] | None
    retry_wait: float
    retry_backoff: float
    retry_max_wait: float | None
    retry_jitter: bool
    timeout: float | None
    error_handling: ErrorHandling
    tolerate: Mapping[str, float] | None
    memory_limit: int | str | None
    on_failure: OnFailure | None
    isolate: bool | None


class FlowKeywords(BatchKeywords, total=False):
    """The keyword arguments of the batch flows, which can retry an entry as a whole."""

    max_retries: int
    results: bool


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options with the names, ranges and defaults of a document's batch block; seconds and bytes.

    ``executor`` is ``"sequential"``, ``"thread"``, ``"process"`` or ``"auto"``. None keeps the class's own
    way: one item after another, or all at once in the caller's event loop for the async parallel classes. The
    other options then work as far as possible: a sync class runs on threads if you give ``max_concurrent``,
    one after another if you do not.

    ``timeout`` limits one attempt of one item. Under ``error_handling="continue"`` a failed item is None in
    the results, which are then a :class:`~batchmill.flow.results.BatchResults` with ``errors``.
    ``on_failure`` says what happens to running items when a failure ends the batch: ``cancel`` them, or let
    them ``finish``, before it is raised. By default they finish on an executor; in an event loop the failure
    is raised at once and they continue, as in PocketFlow.

    ``isolate``: True gives items that run at the same time nodes with a state of their own; False shares the
    program's nodes, of which a flow makes a shallow copy for each visit, as in PocketFlow. By default it is
    True if you name an ``executor``. Processes always have copies.

    Only for flows: ``max_retries`` attempts of a whole entry; ``results`` gives ``post`` what ``exec`` of the
    last node of each entry returned, instead of its last action.

    Raises :class:`~batchmill.errors.InvalidSetting` for options that are out of range or unknown.
    """

    executor: Executor | None = None
    max_concurrent: int | str | None = None
    chunk_size: int | Literal["auto"] | None = None
    max_retries: int = 1
    retry_wait: float = 0.0
    retry_backoff: float = 1.0
    retry_max_wait: float | None = None
    retry_jitter: bool = False
    timeout: float | None = None
    error_handling: ErrorHandling = "fail_fast"
    tolerate: Mapping[str, float] | None = None
    memory_limit: int | str | None = None
    on_failure: OnFailure | None = None
    isolate: bool | None = None
    results: bool = False

    def __new__(cls, *_: object, **given: object) -> Self:
        if unknown := given.keys() - cls.__dataclass_fields__.keys():
            refuse("BatchOptions()", sorted(unknown), cls.__dataclass_fields__)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        if self.on_failure not in (None, "cancel", "finish"):
            raise InvalidSetting(f"on_failure must be 'cancel' or 'finish', not {self.on_failure!r}")
        if not isinstance(self.results, bool):
            raise InvalidSetting(f"results must be true or false, not {self.results!r}")
        if self.isolate not in (None, True, False):
            raise InvalidSetting(f"isolate must be true or false, not {self.isolate!r}")
        if self.executor is None and type(self.max_concurrent) is int and self.max_concurrent > 0:
            self.settings(max_concurrent=None)  # in an event loop thousands are fine
        else:
            self.settings()

    @property
    def isolated(self) -> bool:
        """Whether items that run at the same time have nodes with a state of their own."""
        return self.executor is not None if self.isolate is None else self.isolate

    @property
    def limit(self) -> int | None:
        """How many items may run at once in the caller's event loop; None for no limit."""
        return self.max_concurrent if isinstance(self.max_concurrent, int) else None

    @property
    def fail_fast(self) -> bool:
        return self.error_handling == "fail_fast"

    def settings(self, **instead: object) -> BatchSettings:
        """The settings for the engine; ``instead`` replaces keys of the block."""
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
        longest = self.retry_max_wait
        if longest is None:
            wait = keys["retry_wait"]
            longest = max(MAX_WAIT, wait) if isinstance(wait, (int, float)) else MAX_WAIT
        return settings_of({**keys, "retry_max_wait": longest})

    def need_no_engine(self) -> None:
        """Raise :class:`InvalidSetting` for options that only work on an executor."""
        if isinstance(self.max_concurrent, str):
            raise InvalidSetting(f"max_concurrent={self.max_concurrent!r} needs an executor: give one too")
        for name in ENGINE_ONLY:
            if getattr(self, name) != BatchOptions.__dataclass_fields__[name].default:
                raise InvalidSetting(f"{name} needs an executor: give executor='thread' or 'process' too")


DEFAULTS = BatchOptions()


def options_of(node: object) -> BatchOptions:
    """The options of a node, defaults if it has none. An attribute of that name with another type belongs to
    the program and is ignored."""
    found = getattr(node, "batch_options", None)
    return found if isinstance(found, BatchOptions) else DEFAULTS
