"""What every test is held to: it leaves no process, thread, file descriptor or temporary file behind.

Worker pools are meant to stay warm between tests, so their workers, threads and pipes are passed over;
they are ended after the last test, and then the descriptors of the whole session are looked at once more.
"""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

PATIENCE = 5.0  # seconds that what is ending may take to be gone; nothing waits where nothing is left
WARM_PROCESSES = ("loky", "resource_tracker", "multiprocessing")  # in the command lines of pool workers
WARM_THREADS = ("batchmill-pool", "QueueFeederThread", "QueueManagerThread", "ExecutorManagerThread")
SPARE_DESCRIPTORS = 16  # what libraries open on first use and keep for the session
MARK = "BATCHMILL_TESTS_OF"  # in the environment of everything started, so that orphans are found too

# how long an example takes says nothing on a busy machine, nor before PyPy has compiled what it runs
hypothesis.settings.register_profile("batchmill", deadline=None)
hypothesis.settings.load_profile("batchmill")

Census = Callable[[], set[str]]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Compare processes, threads, open files and temporary files before and after a test."""
    before = {kind: look() for kind, look in CENSUS.items()}
    yield
    left = {kind: what for kind, look in CENSUS.items() if (what := _settled(look, before[kind]))}
    assert not left, f"left behind by this test: {left}"


@pytest.fixture
def soon() -> Callable[[Callable[[], object]], bool]:
    """``soon(predicate)``: whether it becomes true within some seconds."""

    def wait(predicate: Callable[[], object]) -> bool:
        deadline = time.monotonic() + 20
        while not (found := predicate()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(found)

    return wait


@pytest.fixture(scope="session", autouse=True)
def the_gil_stays_off() -> Iterator[None]:
    """On a free-threaded interpreter: no module that was imported may have switched the GIL back on."""
    yield
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled()


@pytest.fixture(scope="session", autouse=True)
def nothing_left_by_the_session() -> Iterator[None]:
    """End the warm pools after the last test; their workers and descriptors must be gone then.

    The session has a temporary folder of its own, so that what others leave is not taken for ours.
    """
    os.environ[MARK] = str(os.getpid())
    before = len(_descriptors())
    with tempfile.TemporaryDirectory(prefix="tests-of-batchmill-") as folder:
        outside, tempfile.tempdir = tempfile.tempdir, folder
        os.environ["TMPDIR"] = folder
        yield
        _end_pools()
        tempfile.tempdir = outside
    after = _descriptors()
    assert len(after) <= before + SPARE_DESCRIPTORS, f"descriptors grew from {before} to {after}"


def _end_pools() -> None:
    pool = sys.modules.get("batchmill.executors.pool")
    folders = _warm_folders()
    if pool is not None:
        pool.shutdown()
    assert not any(map(os.path.exists, folders)), f"the pool left {folders} behind"
    gc.collect()


def _settled(look: Census, before: set[str]) -> set[str]:
    """What ``look`` finds beyond ``before`` once what is ending has had its time."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.001
    while (left := look() - before) and time.monotonic() < deadline:
        if pause > 0.05:
            gc.collect()  # where objects are not freed at once (PyPy), their files close here
        time.sleep(pause)
        pause *= 2
    return left


def _processes() -> set[str]:
    """Descendants, and whatever else carries our mark: orphans of what we started."""
    if not os.path.isdir("/proc/self/task"):
        found = psutil.Process().children(recursive=True)
    else:
        found = [psutil.Process(pid) for pid in _children() | _marked() if psutil.pid_exists(pid)]
    return {line for process in found if (line := _described(process))}


def _children() -> set[int]:
    """Direct children, out of /proc: psutil would read every process of the machine."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        found.update(map(int, _read(f"/proc/self/task/{task}/children").split()))
    return found


_strangers: set[str] = {str(os.getpid())}  # pids known to be none of ours, so that each is read once


def _marked() -> set[int]:
    mark = f"{MARK}={os.getpid()}"
    found = set()
    for pid in set(filter(str.isdigit, os.listdir("/proc"))) - _strangers:
        if mark in _read(f"/proc/{pid}/environ").split("\0"):
            found.add(int(pid))
        else:
            _strangers.add(pid)
    return found


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:  # ended meanwhile, or somebody else's
        return ""


def _described(process: psutil.Process) -> str:
    """The process as text; empty when it has ended or belongs to a warm pool."""
    try:
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""
    return "" if any(word in command for word in WARM_PROCESSES) else f"{process.pid} {command[:200]}"


def _threads() -> set[str]:
    return {
        f"{thread.name} {thread.ident}"
        for thread in threading.enumerate()
        if (not thread.daemon or thread.name.startswith("batchmill"))
        and not thread.name.startswith(WARM_THREADS)
        and thread is not threading.main_thread()
    }


def _descriptors() -> set[str]:
    """Open descriptors with what they lead to."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:  # not Linux
        return set()
    return {f"{name} {target}" for name in names if (target := _target(name))}


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:  # the descriptor of the listing itself
        return ""


def _open_files() -> set[str]:
    """Descriptors a test could have left: with a pool warm, its pipes and sockets come and go."""
    warm = "batchmill.executors.pool" in sys.modules
    return {
        entry
        for entry in _descriptors()
        if not (warm and entry.split(" ")[1].startswith(("pipe:", "socket:", "anon_inode:", "/dev/shm")))
        and not entry.endswith(("/dev/null", "/dev/urandom", "/.batchmill-pool"))
        and "/libffi." not in entry  # newer ones open themselves at the first use of ctypes, for good
    }


_of_others: set[str] = set()  # folders; the number of a process that is gone may become one of ours


def _temporary() -> set[str]:
    """Folders of ours on disk and in memory, but for those of the warm pool, which go with the session."""
    places = (Path(tempfile.gettempdir()), Path("/dev/shm"))
    found = {str(path) for place in places for path in place.glob("batchmill-*")} - _of_others
    _of_others.update(filter(_is_of_others, found))
    return found - _of_others - set(_warm_folders())


def _is_of_others(path: str) -> bool:
    """Whether the pool's folder is that of another session's process; its name tells the process.

    One whose process is gone is taken for another's: tests that kill a parent look for themselves.
    """
    folder = os.path.basename(path)
    pid = folder.split("-")[1]
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    return f"{MARK}={os.getpid()}" not in _read(f"/proc/{pid}/environ").split("\0")


def _warm_folders() -> list[str]:
    module = sys.modules.get("batchmill.executors.pool")
    pool = module.current_pool() if module is not None else None
    return pool.folders if pool is not None else []


CENSUS: dict[str, Census] = {
    "processes": _processes,
    "threads": _threads,
    "open files": _open_files,
    "temporary files": _temporary,
}
