"""The row of commands: how many programs a second can be started, awaited and read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks import limits, mappers
from benchmarks.workload import (
    OURS,
    WORKERS,
    MissingError,
    Opening,
    Ready,
    Role,
    Side,
    Target,
    Workload,
    expect,
    items_per_second,
)

AT_ONCE = 8
COMMAND = ["true"]


def _side(
    name: str, work: Callable[[int], object], role: Role = "peer", share: float = 1.0, needs: str = ""
) -> Side:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        if needs and shutil.which(needs) is None:
            raise MissingError(f"no program {needs}")

        def run() -> None:
            work(n)

        yield Ready(run)

    return Side(name, opening, role, share)


def _fed(command: list[str]) -> Callable[[int], object]:
    """A program that reads one item a line and runs the command for each, output captured and checked."""

    def work(n: int) -> None:
        lines = "".join(f"{i}\n" for i in range(n))
        subprocess.run(command, input=lines, text=True, check=True, capture_output=True)

    return work


def _in_threads(arguments: Sequence[str]) -> Callable[[int], object]:
    from concurrent.futures import ThreadPoolExecutor

    def once(_: int) -> int:
        return subprocess.run(arguments, check=True, capture_output=True).returncode

    def work(n: int) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            expect(sum(pool.map(once, range(n))), 0, "exit codes")

    return work


def _in_asyncio(n: int) -> None:
    import asyncio

    async def once(gate: asyncio.Semaphore) -> int | None:
        async with gate:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            await process.communicate()
            return process.returncode

    async def all_of_them() -> list[int | None]:
        gate = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(once(gate) for _ in range(n)))

    expect(asyncio.run(all_of_them()), [0] * n, "exit codes")


def _spawned_by_two(n: int) -> None:
    half = n // WORKERS
    limits.together([lambda: limits.spawn_in_order(COMMAND, half, AT_ONCE // WORKERS)] * WORKERS)


@contextmanager
def _spawned_in_c(n: int) -> Iterator[Ready]:
    with limits.spawner_in_c() as program:

        def work() -> None:
            subprocess.run([program, str(n), str(AT_ONCE), *COMMAND], check=True)

        yield Ready(work)


def document(n: int, command: list[str] | str) -> dict[str, Any]:
    """A document whose one node runs ``command`` ``n`` times, :data:`AT_ONCE` running."""
    batch = {"items": {"range": [0, n, 1]}, "executor": "thread", "max_concurrent": AT_ONCE}
    node = {"id": "each", "type": "shell", "params": {"command": command}, "batch": batch}
    return {"ir_version": "0.1.0", "nodes": [node], "edges": []}


def _ours(command: list[str] | str) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        run = mappers.our_face("run")

        def work() -> None:
            result = run(document(n, command))
            expect(result.status, "success", "status")
            expect(result.nodes["each"]["success_count"], n, "commands")

        yield Ready(work)

    return opening


ROW = Workload(
    name="commands",
    title="2,000 × true, 8 at once, output captured, in order",
    measures="commands a second of wall time",
    unit="/s",
    better="higher",
    score=items_per_second,
    sizes={"full": 2000, "quick": 600, "smoke": 16},
    sides=(
        Side(OURS, _ours(COMMAND), "ours"),
        Side("batchmill, through a shell", _ours("true"), share=0.5),
        _side("xargs -P8", _fed(["xargs", "-P", str(AT_ONCE), "-n", "1", *COMMAND]), needs="xargs"),
        _side("subprocess.run in 8 threads", _in_threads(COMMAND)),
        _side("subprocess.run of sh -c in 8 threads", _in_threads(["sh", "-c", "true"]), share=0.5),
        _side("asyncio", _in_asyncio, share=0.5),
        _side(
            "GNU parallel -k",
            _fed(["parallel", "-k", "-j", str(AT_ONCE), *COMMAND]),
            share=0.5,
            needs="parallel",
        ),
        _side("posix_spawn from two Python processes", _spawned_by_two, "limit"),
        Side("posix_spawn from C", _spawned_in_c, "limit"),
    ),
    aim=(Target(0.75, "posix_spawn from C"), Target(3.6, "GNU parallel -k")),
    least=(Target(0.6, "posix_spawn from C"), Target(3.0, "GNU parallel -k")),
)

ROWS = (ROW,)
