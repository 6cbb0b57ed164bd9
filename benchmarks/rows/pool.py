"""Rows of a pool's beginnings: from nothing to a first result, and a small batch on a warm pool."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import limits, mappers
from benchmarks.items import noop
from benchmarks.mappers import Mapper
from benchmarks.workload import (
    OURS,
    WORKERS,
    MissingError,
    Opening,
    Ready,
    Role,
    Sample,
    Side,
    Target,
    Workload,
    expect,
)

PROGRAMS = {
    OURS: (
        "batchmill",
        "import batchmill\nprint(batchmill.map(abs, [-1], executor='process', max_concurrent=2)[0])",
    ),
    "loky": (
        "loky",
        "from loky import get_reusable_executor\nprint(*get_reusable_executor(2).map(abs, [-1]))",
    ),
    "joblib": ("joblib", "from joblib import Parallel, delayed\nprint(*Parallel(2)([delayed(abs)(-1)]))"),
    "mpire": (
        "mpire",
        "from mpire import WorkerPool\nwith WorkerPool(2) as pool:\n    print(*pool.map(abs, [-1]))",
    ),
    "concurrent.futures": (
        "concurrent.futures",
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2) as pool:\n    print(*pool.map(abs, [-1]))",
    ),
    "dask": (
        "distributed",
        "from distributed import Client\n"
        "if __name__ == '__main__':\n"
        "    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:\n"
        "        print(client.submit(abs, -1).result(), flush=True)",
    ),
    "batchmill, threads": (
        "batchmill",
        "import batchmill\nprint(batchmill.map(abs, [-1], executor='thread', max_concurrent=2)[0])",
    ),
    "ThreadPoolExecutor": (
        "concurrent.futures",
        "from concurrent.futures import ThreadPoolExecutor\nprint(*ThreadPoolExecutor(2).map(abs, [-1]))",
    ),
    "os.fork and a pipe": (
        "os",
        "import os\nreader, writer = os.pipe()\n"
        "if os.fork() == 0:\n    os.write(writer, b'1')\n    os._exit(0)\n"
        "os.wait()\nprint(os.read(reader, 1).decode())",
    ),
    "python -c pass": ("os", "print(1)"),
}
LIMITS = ("os.fork and a pipe", "python -c pass")


def _role(name: str) -> Role:
    return "ours" if name == OURS else "limit" if name in LIMITS else "peer"


def first_result(module: str, program: str) -> Opening:
    """A side that starts an interpreter on a program and waits for the first line it prints.

    The program's end is awaited too, for its CPU to be counted, but outside the figure ``first_ms``.
    """

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        if importlib.util.find_spec(module.split(".")[0]) is None:
            raise MissingError(f"no package {module}")
        yield Ready(lambda: _start(program))

    return opening


def _start(program: str) -> dict[str, float]:
    import time

    began = time.perf_counter()
    started = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    line = started.stdout.readline()
    first = time.perf_counter() - began
    _, errors = started.communicate()
    if started.returncode and "batchmill" in program and "has no attribute" in errors:
        raise MissingError("batchmill.map is not there yet")
    expect(line.strip(), "1", f"first line, {errors.strip()[-200:]}")
    return {"first_ms": first * 1e3}


def first_ms(sample: Sample) -> float:
    """Milliseconds to the first result."""
    return sample.figures["first_ms"]


COLD = Workload(
    name="cold-start",
    title="fresh interpreter to first result of a pool",
    measures="wall time from starting Python to the first printed result of a pool of two",
    unit="ms",
    better="lower",
    score=first_ms,
    sizes={"full": 1, "quick": 1, "smoke": 1},
    sides=tuple(
        Side(name, first_result(module, program), _role(name)) for name, (module, program) in PROGRAMS.items()
    ),
    aim=(Target(1.1, "loky"),),
    least=(Target(1.25, "loky"),),
)


def small_batches(mapper: Mapper) -> Opening:
    """A side that runs many batches of one item per worker, one after another."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        items = range(WORKERS)
        with mapper() as run:

            def work() -> None:
                for _ in range(n):
                    expect(len(run(noop, items)), WORKERS, "results")

            yield Ready(work, before=lambda: run(noop, items))

    return opening


def millis_each(sample: Sample) -> float:
    """Milliseconds of wall time per batch."""
    return sample.wall / sample.n * 1e3


WARM = Workload(
    name="warm-pool",
    title="second use of a warm pool",
    measures="wall time of a batch of two no-op items on a warm pool, the mean of consecutive batches",
    unit="ms",
    better="lower",
    score=millis_each,
    sizes={"full": 50, "quick": 20, "smoke": 2},
    sides=(
        Side(OURS, small_batches(mappers.ours("process")), "ours"),
        Side("loky", small_batches(mappers.loky())),
        Side("joblib", small_batches(mappers.joblib())),
        Side("mpire imap", small_batches(mappers.mpire())),
        Side("concurrent.futures", small_batches(mappers.futures())),
        Side("pipe round trip", small_batches(limits.raw_pipes(1)), "limit"),
    ),
    aim=(Target(1.0),),
    least=(Target(1.0, "loky"),),
)

ROWS = (COLD, WARM)
