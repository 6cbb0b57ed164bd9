"""What an order has not begun is run by other slots of its agent once they have nothing else to do."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest

import batchmill
from batchmill.executors.remote.futures import LoopCarrier

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

N = 12


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        if time.monotonic() > end:
            raise TimeoutError("the others were not run")
        time.sleep(0.005)


def noted(folder: str, item: int) -> None:
    """Note that the item has begun, in a process that runs no other one at the same time."""
    Path(folder, f"{item}-{os.getpid()}-{time.monotonic_ns()}").touch()


def first_waits_for_others(folder: str, n: int, item: int) -> int:
    """The first item of its order ends after all others have."""
    noted(folder, item)
    if item == 0:
        wait_for(lambda: len(os.listdir(folder)) == n)
    return os.getpid()


@pytest.fixture
def warm(loop: LoopCarrier) -> LoopCarrier:
    """Two seats whose worker processes are up."""
    batchmill.map(abs, range(64), executor="dask", chunk_size=1)
    return loop


@pytest.mark.usefixtures("warm")
def test_items_behind_a_long_one_are_run_by_another_slot(tmp_path: Path) -> None:
    work = functools.partial(first_waits_for_others, str(tmp_path), N)
    result = batchmill.map(work, range(N), executor="dask", chunk_size=N)
    first, *others = result.values
    assert first not in others
    begun = Counter(name.partition("-")[0] for name in os.listdir(tmp_path))
    assert begun == Counter(map(str, range(N)))  # each once
