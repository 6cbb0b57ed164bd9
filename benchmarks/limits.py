"""Limits written by hand: the least a machine of this kind takes for the same work, with nothing else done.

They keep no order of errors, retry nothing and survive nothing; they say how far a side is from the
floor. Workers are forked while this process has one thread.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import pickle
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.mappers import Function, Mapper, Run
from benchmarks.workload import WORKERS, MissingError

IN_FLIGHT = 2
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - memory-backed storage is the point; names are private
Pack = Callable[[Any], bytes]
Unpack = Callable[[bytes], Any]


def raw_pipes(
    chunk: int, pack: Pack = pickle.dumps, unpack: Unpack = pickle.loads, in_flight: int = IN_FLIGHT
) -> Mapper:
    """Two forked workers on socket pairs, ``chunk`` items a message, ``in_flight`` messages each.

    Messages that do not fit a socket's buffer need ``in_flight`` 1: with two, this process and a worker
    can both be writing and neither reading.
    """

    @contextmanager
    def opened() -> Iterator[Run]:
        workers = [_Forked(pack, unpack) for _ in range(WORKERS)]
        yield lambda function, items: _exchange(workers, function, items, chunk, in_flight)
        for worker in workers:
            worker.close()

    return opened


class _Forked:
    """One forked worker: it is sent (function, items) and gives back the results."""

    def __init__(self, pack: Pack, unpack: Unpack) -> None:
        self.link, far = multiprocessing.Pipe(duplex=True)
        self._pack, self._unpack = pack, unpack
        self._pid = os.fork()
        if self._pid == 0:
            self.link.close()
            _serve(far, pack, unpack)
        far.close()

    def send(self, function: Function, items: Sequence[Any]) -> None:
        self.link.send_bytes(self._pack((function, items)))

    def receive(self) -> list[Any]:
        results: list[Any] = self._unpack(self.link.recv_bytes())
        return results

    def close(self) -> None:
        self.link.close()
        os.waitpid(self._pid, 0)


def _serve(link: Connection[Any, Any], pack: Pack, unpack: Unpack) -> None:
    try:
        while True:
            function, items = unpack(link.recv_bytes())
            link.send_bytes(pack([function(item) for item in items]))
    except (EOFError, OSError):
        os._exit(0)  # the parent is gone or has closed
    finally:
        os._exit(1)


def _exchange(
    workers: list[_Forked], function: Function, items: Sequence[Any], chunk: int, in_flight: int
) -> list[Any]:
    starts = deque(range(0, len(items), chunk))
    results: list[Any] = [None] * len(items)
    by_link = {worker.link: (worker, deque[int]()) for worker in workers}
    for _ in range(in_flight):
        for worker, sent in by_link.values():
            _send_next(worker, sent, function, items, starts, chunk)
    while busy := [link for link, (_, sent) in by_link.items() if sent]:
        for link in wait(busy):
            worker, sent = by_link[link]  # type: ignore[index] # wait() gives back what it was given
            answer = worker.receive()
            start = sent.popleft()
            results[start : start + len(answer)] = answer
            _send_next(worker, sent, function, items, starts, chunk)
    return results


def _send_next(
    worker: _Forked,
    sent: deque[int],
    function: Function,
    items: Sequence[Any],
    starts: deque[int],
    chunk: int,
) -> None:
    if starts:
        start = starts.popleft()
        worker.send(function, items[start : start + chunk])
        sent.append(start)


def pack_to_files(value: Any) -> bytes:
    """Pickle with large buffers in one file of memory-backed storage; its name travels instead."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    if not buffers:
        return pickle.dumps((head, "", []))
    descriptor, name = tempfile.mkstemp(dir=MEMORY_FOLDER)
    sizes = []
    for buffer in buffers:
        raw = buffer.raw()
        sizes.append(raw.nbytes)
        _write_all(descriptor, raw)
    os.close(descriptor)
    return pickle.dumps((head, name, sizes))


def _write_all(descriptor: int, raw: memoryview) -> None:
    while raw:
        raw = raw[os.write(descriptor, raw) :]


def unpack_from_files(message: bytes) -> Any:
    """Map what :func:`pack_to_files` wrote and unlink it at once."""
    head, name, sizes = pickle.loads(message)
    if not name:
        return pickle.loads(head)
    descriptor = os.open(name, os.O_RDWR)
    whole = memoryview(mmap.mmap(descriptor, 0))
    os.close(descriptor)
    os.unlink(name)
    views, start = [], 0
    for size in sizes:
        views.append(whole[start : start + size])
        start += size
    return pickle.loads(head, buffers=views)


def forked_halves() -> Mapper:
    """Fork one process per worker, each does every so-manieth item; no result comes back."""

    @contextmanager
    def opened() -> Iterator[Run]:
        def run(function: Function, items: Sequence[Any]) -> Sequence[Any]:
            together([partial(_each, function, items[k::WORKERS]) for k in range(WORKERS)])
            return items

        yield run

    return opened


def forked_counter() -> Mapper:
    """Fork one process per worker; each takes the next index from a shared counter. No result comes back."""

    @contextmanager
    def opened() -> Iterator[Run]:
        def run(function: Function, items: Sequence[Any]) -> Sequence[Any]:
            counter = multiprocessing.get_context("fork").Value(ctypes.c_int64, 0)

            def work() -> None:
                while True:
                    with counter.get_lock():
                        index = counter.value
                        counter.value += 1
                    if index >= len(items):
                        return
                    function(items[index])

            together([work] * WORKERS)
            return items

        yield run

    return opened


def _each(function: Function, items: Sequence[Any]) -> None:
    for item in items:
        function(item)


def together(works: Sequence[Callable[[], object]]) -> None:
    """Run each in a forked process of its own and wait for all. Raises RuntimeError when one fails."""
    _reap([_fork(work) for work in works])


def _fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _reap(children: list[int]) -> None:
    for pid in children:
        _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"forked worker {pid} ended with status {status}")


def locked_iterator(workers: int = WORKERS) -> Mapper:
    """Threads that pull from one locked iterator and put results in order under a second lock."""

    @contextmanager
    def opened() -> Iterator[Run]:
        yield lambda function, items: _pulled(function, items, workers)

    return opened


def _pulled(function: Function, items: Sequence[Any], workers: int) -> list[Any]:
    source = iter(enumerate(items))
    taking, giving = threading.Lock(), threading.Lock()
    early: dict[int, Any] = {}
    results: list[Any] = []

    def work() -> None:
        while True:
            with taking:
                pair = next(source, None)
            if pair is None:
                return
            result = function(pair[1])
            with giving:
                early[pair[0]] = result
                while len(results) in early:
                    results.append(early.pop(len(results)))

    crew = [threading.Thread(target=work) for _ in range(workers)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return results


@contextmanager
def spawner_in_c() -> Iterator[Path]:
    """Compile ``spawn_limit.c`` and yield the program. Raises :class:`MissingError` without a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "spawn_limit"
        source = Path(__file__).with_name("spawn_limit.c")
        try:
            subprocess.run(["cc", "-O2", "-o", program, source], check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise MissingError(f"no working C compiler called cc ({error})") from None
        yield program


def spawn_in_order(command: Sequence[str], times: int, at_once: int) -> None:
    """``posix_spawn`` from Python, ``at_once`` running, output captured and awaited in order."""
    waiting: deque[tuple[int, int]] = deque()
    for _ in range(times):
        if len(waiting) == at_once:
            _finish(*waiting.popleft())
        waiting.append(_spawn(command))
    while waiting:
        _finish(*waiting.popleft())


def _spawn(command: Sequence[str]) -> tuple[int, int]:
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
    pid = os.posix_spawnp(command[0], list(command), os.environ, file_actions=actions)
    os.close(writer)
    return pid, reader


def _finish(pid: int, reader: int) -> None:
    with open(reader, "rb") as output:
        output.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"the command ended with status {status}")
