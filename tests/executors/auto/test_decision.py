"""The choice of an executor: what suits which work, on made-up figures."""

import pytest

from batchmill.executors.auto.decision import Capacity, Measured, ProcessCost, choose, known_beforehand
from batchmill.executors.contract import Choice

TWO_CORES = Capacity(cores=2, gil=True, n_threads=10, n_processes=2)
FREE = Capacity(cores=2, gil=False, n_threads=10, n_processes=2)
COLD = ProcessCost(0.15, 2e-6)
CANNOT = ProcessCost(0.15, 0.0, "task.node.lock cannot travel between processes")


def items(wall, cpu=None, held=None, left=1000):
    cpu = wall if cpu is None else cpu
    return Measured(10, wall, cpu, cpu if held is None else held, left)


@pytest.mark.parametrize(
    ("work", "machine", "shipping", "wanted"),
    [
        (items(0.05, 0.0005), TWO_CORES, COLD, "thread"),
        (items(0.01), TWO_CORES, COLD, "process"),
        (items(0.01, held=0.0), TWO_CORES, COLD, "thread"),
        (items(0.01), FREE, COLD, "thread"),
        (items(0.01), TWO_CORES, CANNOT, "sequential"),
        (items(0.01, 0.004), TWO_CORES, CANNOT, "thread"),
        (items(1e-6, left=100_000), TWO_CORES, COLD, "sequential"),
        (items(1e-5, left=10_000_000), TWO_CORES, COLD, "process"),
        (items(0.01, left=3), TWO_CORES, COLD, "sequential"),
        (items(0.01, left=3), TWO_CORES, ProcessCost(0.002, 2e-6), "process"),
        (items(0.001), TWO_CORES, ProcessCost(0.15, 0.004), "sequential"),
        (items(0.01, left=None), TWO_CORES, COLD, "process"),
        (items(0.01), Capacity(1, True, 10, 1), COLD, "sequential"),
        (items(0.05, 0.0001), Capacity(1, True, 10, 1), COLD, "thread"),
    ],
)
def test_what_suits_which_work(work, machine, shipping, wanted):
    choice = choose(work, machine, shipping)
    assert choice.executor == wanted
    assert choice.workers == {"sequential": 1, "thread": 10, "process": machine.n_processes}[wanted]
    assert choice.final == (wanted != "sequential")


def test_worker_processes_start_slowly_on_a_crowded_machine():
    calm = Measured(10, 0.005, 0.005, 0.005, 200)
    crowded = Measured(10, 0.005, 0.005, 0.005, 200, crowded=1.0)
    assert choose(calm, TWO_CORES, COLD).executor == "process"
    assert choose(crowded, TWO_CORES, COLD).executor != "process"


def test_the_reason_says_what_was_measured_and_what_follows():
    assert choose(items(0.05, 0.0005), TWO_CORES, COLD).reason == (
        "items take 50 ms and compute for 1 % of it; while one waits others run"
    )
    assert "holding the GIL; 2 processes use the cores" in choose(items(0.01), TWO_CORES, COLD).reason
    assert "no GIL" in choose(items(0.01), FREE, COLD).reason
    assert "task.node.lock" in choose(items(0.01), TWO_CORES, CANNOT).reason
    assert "the 3 left take 30 ms" in choose(items(0.01, left=3), TWO_CORES, COLD).reason


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ((True, 5, None, 10), Choice("thread", "its items await, on one event loop", 10)),
        ((False, 5, 1, 1), Choice("sequential", "max_concurrent is 1", 1)),
        ((False, 1, None, 10), Choice("sequential", "there is one item", 1)),
        ((False, 0, None, 10), Choice("sequential", "there are no items", 1)),
        ((False, 2, None, 10), None),
        ((False, None, 2, 2), None),
    ],
)
def test_what_is_known_before_any_item_has_run(known, wanted):
    assert known_beforehand(*known) == wanted
