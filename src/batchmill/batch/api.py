"""``map`` and ``imap``: the engine for a Python function, without a document."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any, Literal, TypeVar, Unpack, overload

from batchmill.batch.engine import Batch, run_batch
from batchmill.batch.functions import MakesTask, as_task
from batchmill.batch.keywords import DEFAULTS, ErrorHandling, Executor, Settings, refuse, settings_of
from batchmill.batch.result import BatchResult
from batchmill.batch.stream import Stream, said
from batchmill.errors import BatchFailed, InvalidSetting
from batchmill.executors.cause import cause_of

T = TypeVar("T")
R = TypeVar("R")
Yields = AsyncGenerator[R, Any] | Generator[R, Any, Any]


@overload
def map(  # noqa: A001
    function: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
def map(  # noqa: A001
    function: Callable[[T], Yields[R]], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[list[R]]: ...
@overload
def map(  # noqa: A001
    function: Callable[[T], R], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
def map(  # noqa: A001
    function: MakesTask, items: Iterable[Any], **settings: Unpack[Settings]
) -> BatchResult[Any]: ...
def map(  # noqa: A001  # the name users expect
    function: Any,
    items: Iterable[Any],
    *,
    executor: Executor = "thread",
    max_concurrent: int | str | None = None,
    chunk_size: int | Literal["auto"] | None = None,
    max_retries: int = 1,
    retry_wait: float = 0.0,
    retry_backoff: float = 1.0,
    retry_max_wait: float = 60.0,
    retry_jitter: bool = True,
    timeout: float | None = None,
    error_handling: ErrorHandling = "fail_fast",
    tolerate: Mapping[str, float] | None = None,
    memory_limit: int | str | None = None,
    rate_limit: Mapping[str, Any] | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    **unknown: Any,
) -> BatchResult[Any]:
    """Run ``function`` (or a node) on every item; the results in input order.

    A function may be ``async``: it is awaited on one event loop. One that yields gives the list of what it
    yields.

    Settings are named and formed as in a batch block: ``executor`` is ``"thread"``, ``"process"``,
    ``"sequential"``, ``"auto"`` or ``"dask"``; ``max_concurrent`` 1 to 1000, by default 10 threads or as many
    processes as usable cores, or ``"auto"``; ``chunk_size`` items shipped together to a worker process, found
    out by itself unless given; ``max_retries`` 1 to 10 attempts in total; ``retry_wait``,
    ``retry_max_wait`` and ``timeout`` (of one attempt) in seconds; ``error_handling`` ``"fail_fast"`` or
    ``"continue"``; ``tolerate`` such as ``{"count": 3}`` or ``{"percent": 5}``; ``memory_limit`` of a worker
    process in bytes, or such as ``"512MB"``; ``rate_limit`` such as ``{"per_second": 5}``. Calls whose
    ``rate_limit`` names the same ``key`` share its limit; where they ask for different ones the
    strictest of those at work holds. ``cluster`` says where ``"dask"`` finds its workers: an address such as ``"tls://host:8786"``,
    ``"local:4"`` for 4 processes here, or ``{"python": "module:function"}``, of a function that gives a
    :class:`concurrent.futures.Executor`.

    Raises :class:`BatchFailed`, which carries the finished part and has the exception of the item as its
    cause, when an item failed under ``fail_fast`` or more failed than tolerated; :class:`InvalidSetting` for
    settings that are unknown or out of range; and whatever iterating over ``items`` raises. With
    ``error_handling="continue"`` and no tolerance nothing is raised for failed items: see ``.errors``.
    """
    given = _given(locals(), "map()", unknown)
    chosen = settings_of(given)
    result: BatchResult[Any] = run_batch(as_task(function), items, chosen)
    raises = chosen.failures.fail_fast or result.stopped or chosen.failures.tolerates
    if result.failure is not None and raises:
        raise BatchFailed(_first_error(result), result) from cause_of(result.first_failure)
    return result


@overload
def imap(
    function: Callable[[T], Coroutine[Any, Any, R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    **settings: Unpack[Settings],
) -> Stream[R]: ...
@overload
def imap(
    function: Callable[[T], Yields[R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    **settings: Unpack[Settings],
) -> Stream[list[R]]: ...
@overload
def imap(
    function: Callable[[T], R], items: Iterable[T], *, ordered: bool = True, **settings: Unpack[Settings]
) -> Stream[R]: ...
@overload
def imap(
    function: MakesTask, items: Iterable[Any], *, ordered: bool = True, **settings: Unpack[Settings]
) -> Stream[Any]: ...
def imap(
    function: Any,
    items: Iterable[Any],
    *,
    ordered: bool = True,
    executor: Executor = "thread",
    max_concurrent: int | str | None = None,
    chunk_size: int | Literal["auto"] | None = None,
    max_retries: int = 1,
    retry_wait: float = 0.0,
    retry_backoff: float = 1.0,
    retry_max_wait: float = 60.0,
    retry_jitter: bool = True,
    timeout: float | None = None,
    error_handling: ErrorHandling = "fail_fast",
    tolerate: Mapping[str, float] | None = None,
    memory_limit: int | str | None = None,
    rate_limit: Mapping[str, Any] | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Stream[Any]:
    """Like :func:`map`, with the same settings, but yields results while items run, holding only a window of
    them.

    ``items`` may be endless. ``ordered=False`` yields results as they come. Nothing runs before the first
    result is asked for. Under ``fail_fast`` the first failure raises :class:`BatchFailed` in its place, or in
    that of an item before it that was then not started any more; under ``continue`` a failed item yields None
    and its error goes to the stream's ``errors``. Closing the stream, or leaving the loop and dropping it,
    stops the batch.
    """
    given = _given(locals(), "imap()", unknown)
    if not isinstance(ordered, bool):
        raise InvalidSetting(f"`ordered` must be true or false, not {ordered!r}")
    return Stream(Batch(as_task(function), items, settings_of(given), ordered=ordered))


def _given(arguments: dict[str, Any], owner: str, unknown: dict[str, Any]) -> dict[str, Any]:
    """The settings among the arguments of a function. Raises :class:`~batchmill.errors.UnknownSetting`."""
    if unknown:
        refuse(owner, unknown, [*DEFAULTS, *(["ordered"] if "ordered" in arguments else [])])
    return {name: arguments[name] for name in DEFAULTS}


def _first_error(result: BatchResult[Any]) -> str:
    real = [error for error in result.errors if error["kind"] != "cancelled"]
    return f"{result.failure}; first: {said(real[0])}" if real else str(result.failure)
