"""``map``, ``imap`` and ``starmap``: the engine for a Python function, without a document.

The first call imports the engine, because only a call knows whether to boot a worker process meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from batchmill.executors.process.ahead import start_worker_ahead

if TYPE_CHECKING:
    from batchmill.batch.results.batch_result import BatchResult
    from batchmill.mapping.functions import MakesTask
    from batchmill.mapping.keywords import ErrorHandling, Executor, RetryOn, Settings
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
    function: MakesTask, items: Iterable[object], **settings: Unpack[Settings]
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
    function: object,
    items: Iterable[object],
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
    rate_limit: Mapping[str, object] | None = None,
    retry_on: RetryOn | None = None,
    on_result: OnResult | None = None,
    progress: bool = False,
    return_exceptions: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: Sequence[object] = (),
    max_items_per_worker: int | None = None,
    cluster: str | Mapping[str, object] | None = None,
    **unknown: object,
) -> BatchResult[Any]:
    """Run ``function`` (or a node) on every item and return the results in input order.

    ``function`` may be ``async``: it is awaited on one event loop. If it is a generator, its result is the
    list of the values that it yields.

    The settings have the names and forms of a batch block:

    - ``executor``: ``"thread"``, ``"process"``, ``"sequential"``, ``"auto"`` or ``"dask"``.
    - ``max_concurrent``: 1 to 1000 or ``"auto"``; by default 10 threads, or one process per usable core.
    - ``chunk_size``: items sent together to a worker process; chosen automatically if omitted.
    - ``max_retries``: 1 to 10 attempts in total.
    - ``retry_wait``, ``retry_max_wait``, ``timeout`` (of one attempt): seconds.
    - ``error_handling``: ``"fail_fast"`` or ``"continue"``; ``tolerate``: ``{"count": 3}`` or ``{"percent":
      5}``.
    - ``memory_limit``: of one worker process, in bytes or such as ``"512MB"``.
    - ``rate_limit``: such as ``{"per_second": 5}``. Calls that name the same ``key`` in it share one limit;
      if their limits differ, the strictest of the calls that are running applies.
    - ``cluster``: where ``"dask"`` finds its workers: an address such as ``"tls://host:8786"``, ``"local:4"``
      for 4 processes on this machine, or ``{"python": "module:function"}`` for a function that returns a
      :class:`concurrent.futures.Executor`.

    ``retry_on`` is one exception class or several: only these are retried (``TimeoutError`` covers timeouts,
    ``Exception`` also a worker that died). ``on_result`` is called with an :class:`ItemResult` when an item
    has ended, in no particular order, in the calling thread; if it raises, the batch ends. ``progress`` shows
    the progress on standard error: tqdm's bar if the program has imported tqdm, else a bar on a terminal and
    lines elsewhere. With ``return_exceptions`` the exception of a failed item is its result, as in
    ``asyncio.gather``, and is not raised: all items run, and ``.errors`` lists the failures as under
    ``"continue"``.

    ``initializer`` is called with ``initargs`` once in each worker thread or process of the batch, before its
    first item; ``timeout`` does not include it. If it raises, the items of that worker fail with that error.
    A worker process is replaced after ``max_items_per_worker`` items.

    Raises :class:`BatchFailed` if an item failed under ``fail_fast`` or more items failed than tolerated: it
    carries the finished part, and its cause is the exception of the item. Raises :class:`InvalidSetting` for
    settings that are unknown or out of range, and whatever iterating over ``items`` raises. With
    ``error_handling="continue"`` and no tolerance, failed items raise nothing: see ``.errors``.
    """
    result: BatchResult[Any] = _calls(executor, items).of_map(function, items, locals(), unknown)
    return result


@overload
def starmap(
    function: Callable[..., Coroutine[Any, Any, R]],
    items: Iterable[Iterable[object]],
    **settings: Unpack[Settings],
) -> BatchResult[R]: ...
@overload
def starmap(
    function: Callable[..., Yields[R]], items: Iterable[Iterable[object]], **settings: Unpack[Settings]
) -> BatchResult[list[R]]: ...
@overload
def starmap(
    function: Callable[..., R], items: Iterable[Iterable[object]], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
def starmap(
    function: Callable[..., Any],
    items: Iterable[Iterable[object]],
    *,
    return_exceptions: bool,
    **settings: Unpack[Settings],
) -> BatchResult[Any]: ...
def starmap(function: object, items: Iterable[Iterable[object]], **settings: object) -> BatchResult[Any]:
    """Like :func:`map`, with the same settings, but unpack each item into the arguments of ``function``:
    ``starmap(pow, [(2, 5), (3, 2)])`` gives 32 and 9. Combine several iterables with :func:`zip`."""
    result: BatchResult[Any] = _calls(settings.get("executor"), items).of_starmap(function, items, settings)
    return result


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
    items: Iterable[object],
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
    function: object,
    items: Iterable[object],
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
    rate_limit: Mapping[str, object] | None = None,
    retry_on: RetryOn | None = None,
    on_result: OnResult | None = None,
    progress: bool = False,
    return_exceptions: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: Sequence[object] = (),
    max_items_per_worker: int | None = None,
    cluster: str | Mapping[str, object] | None = None,
    **unknown: object,
) -> Stream[Any]:
    """Like :func:`map`, with the same settings, but yield results while items run, and hold only a window of
    items.

    ``items`` may be endless. Nothing runs before you ask for the first result. ``ordered=False`` yields
    results as they finish. ``indexed=True`` yields pairs ``(index of the item, result)``, which tell items
    apart without an order. Under ``fail_fast`` the first failure raises :class:`BatchFailed` in its place, or
    in the place of an earlier item that was therefore not started. Under ``continue`` a failed item yields
    None, and its error goes to the stream's ``errors``. To stop the batch, close the stream (also a context
    manager), or leave the loop and drop the stream.
    """
    stream: Stream[Any] = _calls(executor, items).of_imap(function, items, locals(), unknown)
    return stream


def _calls(executor: Any, items: Any) -> Any:
    """The module that makes the calls."""
    if executor == "process":
        start_worker_ahead(items)
    return import_module("batchmill.mapping.calls")
