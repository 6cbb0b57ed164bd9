"""How each library maps a function over items in order, behind one signature.

A mapper factory returns a context manager that opens the library's pool and yields
``run(function, items) -> results``. Options stand in the factory's arguments, so that a row names
exactly the settings it compares. Every library is imported when its side is opened, not before.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.workload import WORKERS, MissingError, Opening, Ready, expect

Function = Callable[[Any], Any]
Run = Callable[[Function, Sequence[Any]], Sequence[Any]]
Mapper = Callable[[], AbstractContextManager[Run]]

WARM = 8
"""Items of the untimed run before each sample: enough to wake every worker and load the function there."""

LONG = 600
"""Seconds an idle worker is kept, longer than any pause between two samples of a side."""


def mapping(mapper: Mapper, function: Function, make: Callable[[int], Sequence[Any]]) -> Opening:
    """A side that maps ``function`` over ``make(n)`` items; results are counted, the last one looked at."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        items = make(n)
        with mapper() as run:

            def work() -> None:
                results = run(function, items)
                expect(len(results), len(items), "results")

            yield Ready(work, before=lambda: run(function, items[:WARM]))

    return opening


def ours(executor: str, workers: int = WORKERS) -> Mapper:
    """``batchmill.map`` with its defaults on one executor."""

    @contextmanager
    def opened() -> Iterator[Run]:
        batch_map = our_face("map")
        yield lambda function, items: batch_map(function, items, executor=executor, max_concurrent=workers)

    return opened


def our_face(name: str) -> Any:
    """``batchmill.<name>``; :class:`MissingError` while it does not exist."""
    import batchmill

    try:
        return getattr(batchmill, name)
    except AttributeError:
        raise MissingError(f"batchmill.{name} is not there yet") from None


def one_by_one() -> Mapper:
    """A plain loop in this process."""

    @contextmanager
    def opened() -> Iterator[Run]:
        yield lambda function, items: [function(item) for item in items]

    return opened


def loky(chunk: int = 1) -> Mapper:
    """loky's reusable pool; ``chunk`` 1 is its default."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from loky import get_reusable_executor

        pool = get_reusable_executor(max_workers=WORKERS, timeout=LONG)
        yield lambda function, items: list(pool.map(function, items, chunksize=chunk))
        pool.shutdown(wait=True)

    return opened


def futures(chunk: int = 1) -> Mapper:
    """``concurrent.futures.ProcessPoolExecutor``; ``chunk`` 1 is its default."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(WORKERS) as pool:
            yield lambda function, items: list(pool.map(function, items, chunksize=chunk))

    return opened


def buffered_futures(buffer: int) -> Mapper:
    """``ProcessPoolExecutor.map`` of Python 3.14 and later with at most ``buffer`` results ahead."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from concurrent.futures import ProcessPoolExecutor

        _needs(3, 14)
        with ProcessPoolExecutor(WORKERS) as pool:
            run: Any = pool.map  # type checkers of older versions know no `buffersize`
            yield lambda function, items: list(run(function, items, buffersize=buffer))

    return opened


def interpreters() -> Mapper:
    """``InterpreterPoolExecutor`` of Python 3.14 and later: threads, each with an interpreter of its own."""

    @contextmanager
    def opened() -> Iterator[Run]:
        _needs(3, 14)
        pools: Any = importlib.import_module("concurrent.futures")
        with pools.InterpreterPoolExecutor(WORKERS) as pool:
            yield lambda function, items: list(pool.map(function, items))

    return opened


def _needs(*version: int) -> None:
    if sys.version_info < version:
        raise MissingError(f"it came with Python {'.'.join(map(str, version))}")


def multiprocessing_pool(chunk: int | None = None) -> Mapper:
    """``multiprocessing.Pool``: ``imap`` with ``chunk``, or ``map`` with its own n/(4 × workers)."""

    @contextmanager
    def opened() -> Iterator[Run]:
        import multiprocessing

        with multiprocessing.Pool(WORKERS) as pool:
            if chunk is None:
                yield pool.map
            else:
                yield lambda function, items: list(pool.imap(function, items, chunksize=chunk))
            pool.close()
            pool.join()  # waited for, not killed, so that the CPU the workers used is counted as ours

    return opened


def joblib(backend: str = "loky") -> Mapper:
    """``joblib.Parallel`` with batches of its own choice; one object per run, as its users write it."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from joblib import Parallel, delayed

        def run(function: Function, items: Sequence[Any]) -> Sequence[Any]:
            done: Sequence[Any] = Parallel(n_jobs=WORKERS, backend=backend)(
                delayed(function)(x) for x in items
            )
            return done

        yield run

    return opened


def mpire() -> Mapper:
    """``mpire.WorkerPool.imap`` with chunks of its own choice, workers kept alive."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from mpire import WorkerPool

        with WorkerPool(n_jobs=WORKERS, keep_alive=True) as pool:
            yield lambda function, items: list(pool.imap(function, items, iterable_len=len(items)))

    return opened


def dask() -> Mapper:
    """``distributed.Client.map`` on a local cluster of single-threaded worker processes."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield lambda function, items: client.gather(client.map(function, items, pure=False))

    return opened


def our_cluster() -> Mapper:
    """``batchmill.map`` on the cluster that it starts by itself, over TLS."""

    @contextmanager
    def opened() -> Iterator[Run]:
        importlib.import_module("distributed")  # what is missing is said before anything starts
        batch_map, shutdown = our_face("map"), our_face("shutdown")
        yield lambda function, items: batch_map(function, items, executor="dask", cluster=f"local:{WORKERS}")
        shutdown()

    return opened


def joblib_dask() -> Mapper:
    """``joblib.Parallel`` with its backend for Dask, on the cluster of :func:`dask`."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from distributed import Client, LocalCluster
        from joblib import Parallel, delayed, parallel_config

        def run(function: Function, items: Sequence[Any]) -> Sequence[Any]:
            with parallel_config("dask"):
                done: Sequence[Any] = Parallel()(delayed(function)(x) for x in items)
                return done

        with (
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
        ):
            yield run

    return opened


def ray() -> Mapper:
    """``ray.remote`` for each item, and ``ray.get`` of all of them."""

    @contextmanager
    def opened() -> Iterator[Run]:
        ray = importlib.import_module("ray")
        ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        remote = functools.cache(ray.remote)

        def run(function: Function, items: Sequence[Any]) -> Sequence[Any]:
            call = remote(function)
            done: Sequence[Any] = ray.get([call.remote(item) for item in items])
            return done

        yield run
        ray.shutdown()

    return opened


def threads(workers: int = WORKERS) -> Mapper:
    """``ThreadPoolExecutor.map``."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            yield lambda function, items: list(pool.map(function, items))

    return opened


def threads_window(window: int) -> Mapper:
    """``ThreadPoolExecutor.submit`` with at most ``window`` futures outstanding, in order."""

    @contextmanager
    def opened() -> Iterator[Run]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(WORKERS) as pool:

            def run(function: Function, items: Sequence[Any]) -> list[Any]:
                source = iter(items)
                waiting = deque(pool.submit(function, item) for item in itertools.islice(source, window))
                results = []
                while waiting:
                    results.append(waiting.popleft().result())
                    for item in itertools.islice(source, 1):
                        waiting.append(pool.submit(function, item))
                return results

            yield run

    return opened
