"""What the stress tests share: many threads at once, and a thread switch after nearly every step.

On interpreters without a GIL the threads really run side by side; with one, a switch interval of a
microsecond makes them change places as often as it can.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

THREADS = 64

Storm = Callable[[Callable[[int], None]], None]


@pytest.fixture(autouse=True)
def switching_all_the_time() -> Iterator[None]:
    """A switch interval of 1 µs for the time of a test."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def storm() -> Storm:
    """Call a function with 0 to 63, each in a thread of its own, all beginning together.

    The first exception of any of them is raised.
    """

    def call(function: Callable[[int], None]) -> None:
        together = threading.Barrier(THREADS)
        faults: list[BaseException] = []

        def work(number: int) -> None:
            together.wait()
            try:
                function(number)
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]

    return call
