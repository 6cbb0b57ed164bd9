"""Rows of stages of different kinds: waiting, computing and writing at the same time."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.items import burn, rest
from benchmarks.workload import OURS, WORKERS, Opening, Ready, Sample, Side, Target, Workload, expect

AT_ONCE = 50
WAIT = 0.05
BURN = 0.02
WRITERS = 10
TEXT = "x" * 4000


def slowest_ideal(n: int) -> float:
    """Seconds that the slowest stage alone takes for ``n`` items if nothing but its items costs time."""
    return max(n * WAIT / AT_ONCE, n * BURN / WORKERS)


def _times_slowest(sample: Sample) -> float:
    return sample.wall / slowest_ideal(sample.n)


def document(n: int, folder: str, *, stream: bool) -> dict[str, Any]:
    """Three batch nodes: waits on threads, computing on processes, files written on threads."""

    def node(name: str, params: dict[str, Any], **block: Any) -> dict[str, Any]:
        kind = "write-file" if "file_path" in params else "python"
        more = {"stream": True} if stream and isinstance(block["items"], str) else {}
        return {"id": name, "type": kind, "params": params, "batch": {**block, **more}}

    threads = {"executor": "thread"}
    fetch = {"function": "benchmarks.items:rest", "inputs": {"seconds": WAIT}}
    parse = {"function": "benchmarks.items:burn", "inputs": {"seconds": BURN}}
    write = {"file_path": folder + "/${__index__}.txt", "content": TEXT}
    return {
        "nodes": [
            node("fetch", fetch, items={"range": [n]}, max_concurrent=AT_ONCE, **threads),
            node("parse", parse, items="${fetch.results}", max_concurrent=WORKERS, executor="process"),
            node("write", write, items="${parse.results}", max_concurrent=WRITERS, **threads),
        ],
        "outputs": {"written": {"source": "${write.success_count}"}},
    }


def _folder_of_its_own(opening: Callable[[int, Path], Iterator[Ready]]) -> Opening:
    """A side with a folder to write to, emptied before each sample."""

    @contextmanager
    def opened(n: int) -> Iterator[Ready]:
        with tempfile.TemporaryDirectory(prefix="bench-stages-") as folder:
            yield from opening(n, Path(folder))

    return opened


def _ready(n: int, folder: Path, work: Callable[[], object]) -> Ready:
    def emptied() -> None:
        shutil.rmtree(folder)
        folder.mkdir()

    def checked() -> None:
        work()
        expect(len(list(folder.iterdir())), n, "files")

    return Ready(checked, before=emptied)


def ours(*, stream: bool) -> Opening:
    """The document, with its pool warm."""

    def opening(n: int, folder: Path) -> Iterator[Ready]:
        import batchmill

        batchmill.run(document(2 * WORKERS, str(folder), stream=stream))
        yield _ready(n, folder, lambda: batchmill.run(document(n, str(folder), stream=stream)))

    return _folder_of_its_own(opening)


def _write_text(path: Path) -> None:
    path.write_text(TEXT)


def _write_whole(path: Path) -> None:
    """As ``write-file`` does: under another name, flushed to the disk, then renamed."""
    partial = path.with_name(f".{path.name}.tmp")
    with partial.open("w") as file:
        file.write(TEXT)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _by_hand(n: int, folder: Path, write_file: Callable[[Path], None]) -> Iterator[Ready]:
    """Two thread pools and a process pool of the standard library, joined by callbacks and a queue."""
    with (
        concurrent.futures.ThreadPoolExecutor(AT_ONCE) as waiting,
        concurrent.futures.ProcessPoolExecutor(WORKERS) as computing,
        concurrent.futures.ThreadPoolExecutor(WRITERS) as writing,
    ):

        def write(index: int) -> None:
            write_file(folder / f"{index}.txt")

        def work() -> None:
            done: queue.SimpleQueue[tuple[int, concurrent.futures.Future[float]]] = queue.SimpleQueue()
            writer = threading.Thread(target=lambda: _write_all(n, done, writing, write))
            writer.start()
            for index, fetched in enumerate(waiting.map(rest, [WAIT] * n)):
                expect(fetched, WAIT, "seconds waited")
                done.put((index, computing.submit(burn, BURN)))
            writer.join()

        list(computing.map(burn, [0.001] * 2 * WORKERS))
        yield _ready(n, folder, work)


def by_hand(write_file: Callable[[Path], None]) -> Opening:
    """Pools joined by hand, whose files are written by ``write_file``."""
    return _folder_of_its_own(lambda n, folder: _by_hand(n, folder, write_file))


def _write_all(
    n: int,
    done: queue.SimpleQueue[tuple[int, concurrent.futures.Future[float]]],
    writing: concurrent.futures.Executor,
    write: Callable[[int], None],
) -> None:
    written = []
    for _ in range(n):
        index, computed = done.get()
        expect(computed.result(), BURN, "seconds computed")
        written.append(writing.submit(write, index))
    concurrent.futures.wait(written)


ROW = Workload(
    name="three-stages",
    title="500 items through three stages: waits, computing, files",
    measures="wall time as a multiple of the slowest stage's own ideal",
    unit="× ideal",
    better="lower",
    score=_times_slowest,
    sizes={"full": 500, "quick": 200, "smoke": 20},
    sides=(
        Side(OURS, ours(stream=True), "ours"),
        Side("batchmill without streaming", ours(stream=False)),
        Side("standard pools joined by hand", by_hand(_write_text), "limit"),
        Side("the same, with files written whole", by_hand(_write_whole), "limit"),
    ),
    aim=(Target(1.06),),
    least=(Target(1.15),),
)

ROWS = (ROW,)
