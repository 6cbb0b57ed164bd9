"""CPU is that of the whole process tree, workers that live on included."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.items import SHAPES, burn, durations
from benchmarks.measure import descendants_cpu, measure
from benchmarks.workload import Ready

BURN = 0.1
WORKER = (
    "import sys, time\n"
    "for line in sys.stdin:\n"
    "    end = time.process_time() + float(line)\n"
    "    while time.process_time() < end: pass\n"
    "    print('done', flush=True)\n"
)


def test_own_cpu_is_counted_and_before_is_not() -> None:
    sample = measure(Ready(lambda: {"seen": burn(BURN)}, before=lambda: burn(BURN)), 1)
    assert BURN <= sample.cpu < 2 * BURN
    assert sample.wall >= BURN
    assert sample.figures == {"seen": BURN}


def test_a_child_that_ended_is_counted() -> None:
    def run() -> None:
        subprocess.run(
            [sys.executable, "-c", WORKER], input=f"{BURN}\n".encode(), check=True, capture_output=True
        )

    sample = measure(Ready(run), 1)
    assert sample.cpu >= BURN


def test_a_worker_that_lives_on_is_counted_for_what_it_did_meanwhile() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:

        def ask() -> None:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(f"{BURN}\n")
            worker.stdin.flush()
            worker.stdout.readline()

        first = measure(Ready(ask), 1)
        second = measure(Ready(ask), 1)
        assert descendants_cpu() >= 2 * BURN
    assert BURN <= first.cpu < 2 * BURN
    assert BURN <= second.cpu < 2 * BURN


def test_durations_are_the_same_every_time_and_of_the_shape_asked_for() -> None:
    for shape in SHAPES:
        assert durations(shape, 300) == durations(shape, 300)
        assert len(durations(shape, 300)) == 300
    assert durations("first", 300)[:3] == [20e-3] * 3
    assert durations("last", 300)[-3:] == [20e-3] * 3
    assert sorted(durations("random", 300)) == durations("last", 300)
