"""What an order has not begun is run by other slots of its agent once they have nothing else to do."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.executors.process import pool, starting
from batchmill.executors.remote import out
from batchmill.executors.remote.futures import LoopCarrier

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

N, SEATS = 12, 2


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(0.005)


@contextlib.contextmanager
def noted(folder: str, item: int) -> Iterator[None]:
    """Note that the item has begun, and that no more than the seats are at work."""
    Path(folder, f"{item}-{os.getpid()}-{time.monotonic_ns()}").touch()
    running = Path(folder, "running")
    running.mkdir(exist_ok=True)
    mine = running / str(item)
    mine.touch()
    try:
        assert len(os.listdir(running)) <= SEATS
        yield
    finally:
        mine.unlink()


def begun(folder: str) -> Counter[int]:
    """How often each item has begun."""
    return Counter(int(name.partition("-")[0]) for name in os.listdir(folder) if "-" in name)


def first_waits_for_others(folder: str, n: int, item: int) -> int:
    """The first item of its order ends after all others have begun."""
    with noted(folder, item):
        if item == 0:
            wait_for(lambda: len(begun(folder)) == n)
    return os.getpid()


def first_waits_for_a_failure(folder: str, item: int) -> None:
    with noted(folder, item):
        if item:
            Path(folder, "failed").touch()
            raise ValueError(f"no {item}")
        wait_for(Path(folder, "failed").exists)


def third_kills_its_process(folder: str, item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    with noted(folder, item):
        if item == N:  # in the other seat, until the first order has lost its process
            wait_for(Path(folder, "died").exists)
    return item


@pytest.fixture
def warm(loop: LoopCarrier) -> LoopCarrier:
    """Two seats whose worker processes are up, and no others, which earlier tests may have left."""
    pool.shutdown()
    while len(pool.shared_pool().processes()) < SEATS:  # one alone may have run all items
        batchmill.map(abs, range(64), executor="dask", chunk_size=1)
    return loop


@pytest.mark.usefixtures("warm")
def test_items_behind_a_long_one_are_run_by_another_slot(tmp_path: Path) -> None:
    work = functools.partial(first_waits_for_others, str(tmp_path), N)
    result = batchmill.map(work, range(N), executor="dask", chunk_size=N)
    first, *others = result.values
    assert first not in others
    assert begun(str(tmp_path)) == Counter(range(N))


@pytest.mark.usefixtures("warm")
def test_a_failure_at_a_helper_stops_the_order(tmp_path: Path) -> None:
    work = functools.partial(first_waits_for_a_failure, str(tmp_path))
    with pytest.raises(batchmill.BatchFailed, match="no 1"):
        batchmill.map(work, range(N), executor="dask", chunk_size=N)
    assert len(begun(str(tmp_path))) < N  # the first may have had a successor by then


@pytest.mark.usefixtures("warm")
def test_what_is_left_of_a_killed_process_does_not_wait_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process gets up again before all items have ended."""
    folder, up, command = tmp_path / "items", tmp_path / "up", starting._command
    folder.mkdir()

    def held(descriptor: int) -> list[str]:
        (folder / "died").touch()
        *python, code = command(descriptor)
        wait = f"import os, time\nwhile not os.path.exists({str(up)!r}): time.sleep(0.01)\n"
        return [*python, f"{wait}{code}"]

    monkeypatch.setattr(starting, "_command", held)
    work = functools.partial(third_kills_its_process, str(folder))
    try:
        result = batchmill.map(work, range(N + 1), executor="dask", chunk_size=N, error_handling="continue")
    finally:
        up.touch()
    assert [error["index"] for error in result.errors] == [3]
    assert [value for value in result if value is not None] == [item for item in range(N + 1) if item != 3]
    assert set(begun(str(folder))) == {item for item in range(N + 1) if item != 3}
    assert batchmill.map(abs, range(8), executor="dask") == list(range(8))


@pytest.mark.parametrize("settings", [{"max_concurrent": 1}, {"rate_limit": {"per_second": 1000}}])
@pytest.mark.usefixtures("warm")
def test_nobody_helps_beyond_what_is_permitted(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setattr(LoopCarrier, "beside", None)
    for name in ("LATE", "LATE_SECONDS", "ALONE_SECONDS", "UNKNOWN_SECONDS"):
        monkeypatch.setattr(out, name, 0.0)
    assert batchmill.map(abs, range(N), executor="dask", chunk_size=4, **settings) == list(range(N))
