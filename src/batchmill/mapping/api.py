"""``map``, ``imap`` and ``starmap``: the engine for a Python function, without a document."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Unpack, overload

from batchmill.batch.results.batch_result import BatchResult
from batchmill.mapping.functions import MakesTask, as_star_task, as_task
from batchmill.mapping.keywords import ErrorHandling, Executor, RetryOn, Settings, chosen
from batchmill.mapping.mapped import Mapped
from batchmill.mapping.reporting import OnResult
from batchmill.mapping.stream import Stream

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
@overload
def map(  # noqa: A001
    function: Callable[[T], Any] | MakesTask,
    items: Iterable[T],
    *,
    return_exceptions: bool,
    **settings: Unpack[Settings],
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
    retry_on: RetryOn | None = None,
    on_result: OnResult | None = None,
    progress: bool = False,
    return_exceptions: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: Sequence[Any] = (),
    max_items_per_worker: int | None = None,
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

    ``retry_on`` is a class of exceptions, or several: only those are worth another attempt (``TimeoutError``
    stands for a timeout, ``Exception`` also for a worker that died). ``on_result`` is called with an
    :class:`ItemResult` for each item that has ended, in no order, in the thread that called; what it raises
    ends the batch. ``progress`` shows on standard error how far the batch has come: tqdm's bar where the
    program has imported tqdm, else a bar on a terminal and lines elsewhere. ``return_exceptions`` puts the
    exception of a failed item in its place, as ``asyncio.gather`` does, and raises nothing for it: all items
    are run, and ``.errors`` lists the failures as under ``"continue"``.

    ``initializer`` is called with ``initargs`` once in each worker thread or process of the batch before its
    first item, outside of its ``timeout``; what it raises is the error of that worker's items. A worker
    process is replaced after ``max_items_per_worker`` items.

    Raises :class:`BatchFailed`, which carries the finished part and has the exception of the item as its
    cause, when an item failed under ``fail_fast`` or more failed than tolerated; :class:`InvalidSetting` for
    settings that are unknown or out of range; and whatever iterating over ``items`` raises. With
    ``error_handling="continue"`` and no tolerance nothing is raised for failed items: see ``.errors``.
    """
    return Mapped(as_task(function), items, chosen(locals(), "map()", unknown)).result()


@overload
def starmap(
    function: Callable[..., Coroutine[Any, Any, R]],
    items: Iterable[Iterable[Any]],
    **settings: Unpack[Settings],
) -> BatchResult[R]: ...
@overload
def starmap(
    function: Callable[..., Yields[R]], items: Iterable[Iterable[Any]], **settings: Unpack[Settings]
) -> BatchResult[list[R]]: ...
@overload
def starmap(
    function: Callable[..., R], items: Iterable[Iterable[Any]], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
def starmap(
    function: Callable[..., Any],
    items: Iterable[Iterable[Any]],
    *,
    return_exceptions: bool,
    **settings: Unpack[Settings],
) -> BatchResult[Any]: ...
def starmap(function: Any, items: Iterable[Iterable[Any]], **settings: Any) -> BatchResult[Any]:
    """Like :func:`map`, with the same settings, but the parts of each item are the arguments of ``function``:
    ``starmap(pow, [(2, 5), (3, 2)])`` gives 32 and 9; pairs of several iterables come from :func:`zip`.
    """
    return Mapped(as_star_task(function), items, chosen(settings, "starmap()")).result()


@overload
def imap(
    function: Callable[[T], Coroutine[Any, Any, R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> Stream[R | None]: ...
@overload
def imap(
    function: Callable[[T], Yields[R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> Stream[list[R] | None]: ...
@overload
def imap(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> Stream[R | None]: ...
@overload
def imap(
    function: MakesTask,
    items: Iterable[Any],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> Stream[Any]: ...
@overload
def imap(
    function: Callable[[T], Coroutine[Any, Any, R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[True],
    **settings: Unpack[Settings],
) -> Stream[tuple[int, R | None]]: ...
@overload
def imap(
    function: Callable[[T], Yields[R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[True],
    **settings: Unpack[Settings],
) -> Stream[tuple[int, list[R] | None]]: ...
@overload
def imap(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[True],
    **settings: Unpack[Settings],
) -> Stream[tuple[int, R | None]]: ...
@overload
def imap(
    function: Callable[[T], Any] | MakesTask,
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: bool = False,
    return_exceptions: bool = False,
    **settings: Unpack[Settings],
) -> Stream[Any]: ...
def imap(
    function: Any,
    items: Iterable[Any],
    *,
    ordered: bool = True,
    indexed: bool = False,
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
    retry_on: RetryOn | None = None,
    on_result: OnResult | None = None,
    progress: bool = False,
    return_exceptions: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: Sequence[Any] = (),
    max_items_per_worker: int | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Stream[Any]:
    """Like :func:`map`, with the same settings, but yields results while items run, holding only a window of
    them.

    ``items`` may be endless. ``ordered=False`` yields results as they come. Nothing runs before the first
    result is asked for. ``indexed=True`` yields pairs of an item's index and its result, which tell which
    item it was where they are not ordered. Under ``fail_fast`` the first failure raises :class:`BatchFailed`
    in its place, or in that of an item before it that was then not started any more; under ``continue`` a
    failed item yields None and its error goes to the stream's ``errors``. Closing the stream (it is a context
    manager too), or leaving the loop and dropping it, stops the batch.
    """
    given = chosen(locals(), "imap()", unknown)
    return Mapped(as_task(function), items, given).stream(ordered, indexed)
