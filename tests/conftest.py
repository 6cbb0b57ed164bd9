"""What every test is held to: it leaves no process, thread, file descriptor or temporary file behind.

Worker pools are meant to stay warm between tests, so their workers, threads and pipes are passed over;
they are ended after the last test, and then the descriptors of the whole session are looked at once more.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import os
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE = 20.0  # seconds that what is ending may take to be gone; nothing waits where nothing is left
# in the command lines of pool workers and of what they start
WARM_PROCESSES = ("batchmill.executors.process.boot", "loky", "resource_tracker", "multiprocessing")
WARM_THREADS = ("batchmill-pool", "QueueFeederThread", "QueueManagerThread", "ExecutorManagerThread")
CLOCK_TICK = 50_000_000  # nanoseconds; the times of files are not finer than a few of the system's ticks
SPARE_DESCRIPTORS = 16  # what libraries open on first use and keep for the session
CLUSTERS = importlib.util.find_spec("distributed") is not None
MARK = "BATCHMILL_TESTS_OF"  # in the environment of everything started, so that orphans are found too

_after_the_last: dict[str, set[str]] = {}  # test; empty if something began or ended since
_warm_clusters: list[object] = []

Census = Callable[[], set[str]]
Command = Callable[..., tuple[int, str, str]]
_AS_DASK_ENDS = [
    pytest.mark.filterwarnings(f"ignore::{name}") for name in ("DeprecationWarning", "ResourceWarning")
]


@pytest.hookimpl(tryfirst=True)  # before pytest looks at markers to leave out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test marked ``first_quick`` only the first is quick, the others are slow, whichever
    of them are collected. What runs on a cluster is slow, too. Dask leaves sockets open as it ends, so there
    its warnings are ignored."""
    for item in items:
        if item.get_closest_marker("on_cluster") is not None:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.dask)
            if not CLUSTERS:
                item.add_marker(pytest.mark.skip(reason="the extra `dask` is not installed"))
        if item.get_closest_marker("own_clusters") is not None:
            for mark in (pytest.mark.slow, pytest.mark.dask, *_AS_DASK_ENDS):
                item.add_marker(mark)
        if item.get_closest_marker("first_quick") is not None and any(_case(item)):
            item.add_marker(pytest.mark.slow)


def _case(item: pytest.Item) -> tuple[int, ...]:
    """The places of a test's values among those of its parameters."""
    return (
        tuple(item.callspec.indices.values())
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else ()
    )


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[object]:
    """What a fixture of several tests starts is there before the next test."""
    if fixturedef.scope != "function":
        _after_the_last.clear()
    return (yield)


def pytest_fixture_post_finalizer(fixturedef: pytest.FixtureDef[object]) -> None:
    if fixturedef.scope != "function":
        _after_the_last.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """What is marked ``on_cluster`` runs on a local cluster that tests of this process share, or on one of
    yours, with four seats, that ``BATCHMILL_TESTS_CLUSTER`` names. It is there before anybody looks what a
    test leaves behind, and is ended with the session."""
    if item.get_closest_marker("on_cluster") is None or not CLUSTERS:
        return (yield)
    import batchmill
    from batchmill.executors.remote import where

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(where.VARIABLE, os.environ.get("BATCHMILL_TESTS_CLUSTER") or "local:4")
        carrier = where.carrier_at(None)
        if carrier not in _warm_clusters:
            batchmill.map(abs, range(64), executor="dask")
            _warm_clusters.append(carrier)
            _after_the_last.clear()
        return (yield)


@pytest.fixture
def batchmill_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """``batchmill_command("run", "flow.json", text="", NAME="value")``: exit code, stdout and stderr.

    The command is called in this process and in the test's folder: a process for each would spend half a
    second on imports. ``text`` is its standard input; variables of the environment are given by name.
    """
    from batchmill.cli.main import outcome  # here: tests that only read the source run without the package

    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, text: str = "", **environment: str) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            for name, value in environment.items():
                patch.setenv(name, value)
            code = outcome(arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in err or "-v" in arguments
        return code, out, err

    return call


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Compare processes, threads, open files and temporary files before and after a test.

    Looking takes longer than most tests, so one look serves as the last of a test and the first of the next.
    """
    before = dict(_after_the_last) or {kind: look() for kind, look in CENSUS.items()}
    yield
    _after_the_last.update({kind: _settled(look, before[kind]) for kind, look in CENSUS.items()})
    left = {kind: what for kind, after in _after_the_last.items() if (what := after - before[kind])}
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


@pytest.fixture
def given_time() -> Callable[[Callable[[float], object]], None]:
    """``given_time(check)``: ``check(seconds)`` holds, if not with a short time limit then with a longer one.

    For what must happen before a limit that the test waits for. Any number is too small for some machine at
    its worst moment, and waiting for a large one takes too long; what is wrong fails with each.
    """

    def call(check: Callable[[float], object]) -> None:
        for seconds in (0.2, 2.0):
            try:
                check(seconds)
            except (AssertionError, pytest.fail.Exception):
                continue
            return
        check(20.0)

    return call


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
        os.environ["XDG_STATE_HOME"] = os.path.join(folder, "state")
        yield
        _end_pools()
        tempfile.tempdir = outside
    after = _descriptors()
    assert len(after) <= before + SPARE_DESCRIPTORS, f"descriptors grew from {before} to {after}"


def _end_pools() -> None:
    pool = sys.modules.get("batchmill.executors.process.pool")
    clusters = sys.modules.get("batchmill.executors.remote.where")
    folders = _warm_folders()
    if clusters is not None:
        clusters.disconnect()
    if pool is not None:
        pool.shutdown()
    assert not any(map(os.path.exists, folders)), f"the pool left {folders} behind"
    gc.collect()


def _settled(look: Census, before: set[str]) -> set[str]:
    """What ``look`` finds once what is ending, and was not there ``before``, has had its time."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.001
    while (after := look()) - before and time.monotonic() < deadline:
        if pause > 0.05:
            gc.collect()  # where objects are not freed at once (PyPy), their files close here
        time.sleep(pause)
        pause = min(2 * pause, 0.25)
    return after


def _processes() -> set[str]:
    """Descendants, and whatever else carries our mark: orphans of what we started."""
    if os.path.isdir("/proc/self/task"):
        pids = _children() | _marked()
    else:
        import psutil

        pids = {process.pid for process in psutil.Process().children(recursive=True)}
    return {line for pid in pids if (line := _described(pid))}


def _children() -> set[int]:
    """Direct children, out of /proc: psutil would read every process of the machine."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        found.update(map(int, _read(f"/proc/self/task/{task}/children").split()))
    return found


_strangers: set[str] = set()  # pids of others that run, so that each is read once


def _marked() -> set[int]:
    mark = f"{MARK}={os.getpid()}"
    running = set(filter(str.isdigit, os.listdir("/proc"))) - {str(os.getpid())}
    _strangers.intersection_update(running)  # the number of one that is gone may become one of ours
    ours = {pid for pid in running - _strangers if mark in _read(f"/proc/{pid}/environ").split("\0")}
    _strangers.update(running - ours)
    return set(map(int, ours))


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:  # ended meanwhile, or somebody else's
        return ""


def _described(pid: int) -> str:
    """The process as text; empty when it has ended or belongs to a warm pool."""
    command = _command(pid)
    return f"{pid} {command[:200]}" if command and not any(map(command.__contains__, WARM_PROCESSES)) else ""


def _command(pid: int) -> str:
    """The command line; empty of a process that has ended. psutil is slow: only where /proc says nothing."""
    if text := _read(f"/proc/{pid}/cmdline"):
        return text.replace("\0", " ").strip()
    import psutil

    try:
        process = psutil.Process(pid)
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""


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
    warm = "batchmill.executors.process.pool" in sys.modules
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
    found = {path for place in (tempfile.gettempdir(), "/dev/shm") for path in _ours_in(place)} - _of_others
    _of_others.update(filter(_is_of_others, found))
    return found - _of_others - set(_warm_folders())


_listed: dict[str, tuple[int, list[str]]] = {}  # folders: when they last changed, and what of ours was there


def _ours_in(place: str) -> list[str]:
    """Paths of what is named as ours. Thousands of others may be there: a folder that has not changed since
    it was listed is not listed again, unless a change may have had the same time as one before the list."""
    if not os.path.isdir(place):
        return []
    changed = os.stat(place).st_mtime_ns
    before, ours = _listed.get(place, (0, []))
    if changed != before:
        certain = time.time_ns() - changed > CLOCK_TICK
        ours = [f"{place}/{name}" for name in os.listdir(place) if name.startswith("batchmill-")]
        _listed[place] = (changed if certain else 0, ours)
    return ours


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
    module = sys.modules.get("batchmill.executors.process.pool")
    pool = module.current_pool() if module is not None else None
    return pool.folders if pool is not None else []


CENSUS: dict[str, Census] = {
    "processes": _processes,
    "threads": _threads,
    "open files": _open_files,
    "temporary files": _temporary,
}
