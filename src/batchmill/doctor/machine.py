"""Cores, memory, limits, shared memory, and whether a worker process can be started at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from batchmill.batch import BatchSettings, run_batch
from batchmill.doctor.finding import CheckResult, Level
from batchmill.errors import BatchmillError
from batchmill.executors.cores import affinity, cpu_quota, memory_limit, usable_cores
from batchmill.mapping.functions import FunctionTask
from batchmill.values.words import size

AREA = "machine"
DESCRIPTORS_PER_WORKER = 20  # what a worker process costs its parent, those of starting it included
SPARE_DESCRIPTORS = 64  # the interpreter's own, the journal's, those of commands and connections
LEAST_MEMORY_BYTES = 256 << 20
LEAST_SHARED_BYTES = 64 << 20
LEAST_TEMPORARY_BYTES = 16 << 20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # looked at only


def findings() -> Iterator[CheckResult]:
    """The resources of the machine for this process."""
    yield _cores()
    yield _memory()
    yield _open_files()
    yield _shared_memory(SHARED_MEMORY)
    yield _temporary()
    yield _workers()


def _cores() -> CheckResult:
    quota = cpu_quota()
    limit = "" if quota is None else f", {quota:g} by the control group's quota"
    return CheckResult(
        AREA, "cores", f"{usable_cores()} usable of {os.cpu_count()} ({affinity()} allowed{limit})"
    )


def _memory() -> CheckResult:
    import psutil  # 17 ms

    memory = psutil.virtual_memory()
    limit = memory_limit()
    free = memory.available if limit is None else min(memory.available, limit)
    limited = "" if limit is None else f", {size(limit)} by the control group's limit"
    value = f"{size(memory.available)} available of {size(memory.total)}{limited}"
    if free >= LEAST_MEMORY_BYTES:
        return CheckResult(AREA, "memory", value)
    remedy = "free some, or run on `thread`, and few items at once: each worker process takes some 50 MB"
    return CheckResult(AREA, "memory", value, "note", remedy)


def _open_files() -> CheckResult:
    try:
        import resource  # not on every system
    except ImportError:
        return CheckResult(AREA, "open files", "no limit that can be asked for")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return open_files(soft, hard, usable_cores(), soft == resource.RLIM_INFINITY)


def open_files(soft: int, hard: int, workers: int, endless: bool = False) -> CheckResult:
    """Whether ``soft`` open files are enough for ``workers`` processes."""
    needed = DESCRIPTORS_PER_WORKER + SPARE_DESCRIPTORS
    wanted = DESCRIPTORS_PER_WORKER * workers + SPARE_DESCRIPTORS
    if endless or soft >= wanted:
        return CheckResult(AREA, "open files", "no limit" if endless else f"{soft:,} at most")
    level: Level = "problem" if soft < needed else "note"
    raised = wanted if hard < 0 or hard >= wanted else hard
    return CheckResult(AREA, "open files", f"{soft:,} at most, {wanted} wanted", level, f"ulimit -n {raised}")


def _shared_memory(folder: Path) -> CheckResult:
    remedy = "give the container more (docker run --shm-size=1g); until then the temporary folder is used"
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return CheckResult(AREA, "shared memory", f"no {folder}", "note", remedy)
    if not os.access(folder, os.W_OK):
        return CheckResult(AREA, "shared memory", f"{folder} cannot be written", "note", remedy)
    level: Level = "ok" if free >= LEAST_SHARED_BYTES else "note"
    value = f"{size(free)} free in {folder}"
    return CheckResult(AREA, "shared memory", value, level, "" if level == "ok" else remedy)


def _temporary() -> CheckResult:
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="batchmill-", dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        why = error.strerror or str(error)
        return CheckResult(
            AREA, "temporary folder", why, "problem", "set TMPDIR to a folder that can be written"
        )
    if free >= LEAST_TEMPORARY_BYTES:
        return CheckResult(AREA, "temporary folder", f"{size(free)} free in {folder}")
    return CheckResult(
        AREA, "temporary folder", f"{size(free)} free in {folder}", "problem", "free some, or set TMPDIR"
    )


def _workers() -> CheckResult:
    """A worker process really started: semaphores, forks and pipes are all in that."""
    settings = BatchSettings("process", max_concurrent=1)
    remedy = "raise ulimit -u and -n, or use executor `thread`"
    try:
        done = run_batch(FunctionTask(abs), [-1], settings)
    except (BatchmillError, OSError) as error:
        return CheckResult(AREA, "worker processes", str(error), "problem", remedy)
    if done.failure is not None:
        return CheckResult(AREA, "worker processes", done.errors[0]["message"], "problem", remedy)
    took = done.metadata["timing"]["wall_ms"]
    return CheckResult(AREA, "worker processes", f"start and work, the first item after {took:.0f} ms")
