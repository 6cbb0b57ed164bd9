"""One limit over several runs: its record, its slots, and what is left where a process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import batchmill
from batchmill.batch.admissions import shared_limits
from batchmill.batch.admissions.gates import Expected, Gates
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.batch.admissions.shared_limits import SharedLimits
from batchmill.concurrency.clock import SYSTEM_CLOCK, FakeClock
from batchmill.errors import InvalidDocument, StorageError
from batchmill.policy.limits import EndedAttempt, Limits

NOTHING = Expected(0.0, 0.0, free=False)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_limits, "_MEMORY_FOLDER", str(tmp_path))
    return tmp_path / f"batchmill-limits-{os.geteuid()}"


@pytest.fixture
def clock():
    return FakeClock(1000.0)


def gate(clock, limits=None, key="api"):
    """The gate of another run."""
    gates = Gates(clock=clock)
    return Gate(gates, gates.lane(key, limits or Limits(), shared=True))


def started(way, count=1):
    return way.let_through([NOTHING] * count, lambda: False)


def test_runs_share_the_rate(clock):
    runs = [gate(clock, Limits(per_second=2, burst=3)) for _ in range(3)]
    assert sum(len(started(run, 2)) for run in runs) == 3
    starts = 0
    for _ in range(100):
        clock.advance(0.1)
        starts += sum(len(started(run, 2)) for run in runs)
    assert starts == 20
    assert started(gate(clock, Limits(per_second=2), key="other"))


def test_what_was_not_used_and_pauses_are_everybodys(clock):
    one, two = (gate(clock, Limits(per_second=0.1)) for _ in range(2))
    (leave,) = started(one)
    assert not started(two)
    one.withdraw(leave)
    (leave,) = started(two)
    two.leave(leave, EndedAttempt(pause=50.0))
    clock.advance(45)
    assert not started(one)
    clock.advance(6)
    assert started(one)


def test_tokens_are_shared(clock):
    one, two = (gate(clock, Limits(tokens_per_minute=60)) for _ in range(2))
    (leave,) = one.let_through([Expected(10.0, 0.0, free=False)], lambda: False)
    one.leave(leave, EndedAttempt(tokens=30))
    clock.advance(20)
    assert not two.let_through([Expected(1.0, 0.0, free=False)], lambda: False)
    clock.advance(15)
    assert two.let_through([Expected(1.0, 0.0, free=False)], lambda: False)


def test_attempts_at_once(clock):
    one, two = (gate(clock, Limits(max_concurrent=3)) for _ in range(2))
    leaves = started(one, 2)
    assert len(started(two, 2)) == 1
    one.leave(leaves[0], EndedAttempt())
    assert len(started(two, 2)) == 1


def test_the_strictest_run_holds_for_all_while_it_is_there(clock):
    strict, other = gate(clock, Limits(per_second=1)), gate(clock, Limits(per_second=100))
    assert started(strict)
    assert not started(other)
    clock.advance(0.5)
    assert not started(other)
    clock.advance(shared_limits.MEMORY_SECONDS)
    assert started(other)
    clock.advance(0.02)
    assert started(other)


@pytest.mark.parametrize("damage", [b"x", b"", None])
def test_a_record_that_is_torn_counts_as_used_up(clock, folder, damage):
    way = gate(clock, Limits(per_second=1))
    started(way)
    clock.advance(10)
    (path,) = folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-5] if damage == b"" else damage * len(data) if damage else data)
    if damage is None:  # of a time before the machine was started anew
        clock.now = 5.0
    assert not started(way)
    clock.advance(1.1)
    assert started(way)


def test_files_that_are_cleared_away_are_made_again(clock, folder):
    way = gate(clock, Limits(per_second=1))
    started(way)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert not started(way)  # it knows by itself
    clock.advance(1.1)
    assert started(way)


def test_a_folder_that_others_may_write_to_is_not_believed(clock, folder):
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    with pytest.raises(StorageError, match="others can write to it"):
        gate(clock)
    folder.rmdir()
    folder.symlink_to("/tmp")  # where it leads does not matter
    with pytest.raises(StorageError, match="others can write to it"):
        gate(clock)


HOLDS = """
import sys, time
from batchmill.batch.admissions.shared_limits import SharedLimits
from batchmill.concurrency.clock import SYSTEM_CLOCK
from batchmill.policy.limits import Limiter, Limits
shared = SharedLimits("api", sys.argv[1])
with shared.held(Limiter(Limits(per_second=1)), SYSTEM_CLOCK):
    print(shared.take(1), flush=True)
    time.sleep(60)
"""


def test_a_run_that_is_killed_holds_nothing(folder):
    folder.mkdir(mode=0o700)
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "1\n"
        shared = SharedLimits("api", str(folder))
        assert shared.take(1) is None
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    number = shared.take(1)
    assert number == 1
    shared.release(number)


def test_documents_and_map():
    limit = {"per_second": 1000, "key": "api", "shared": True}
    node = {"id": "n", "type": "echo", "batch": {"items": [1, 2], "rate_limit": limit}}
    assert batchmill.run({"nodes": [node]}).status == "success"
    assert list(batchmill.map(str, [1, 2], executor="thread", rate_limit=limit)) == ["1", "2"]
    node["batch"]["rate_limit"] = {"per_second": 1, "shared": True}
    with pytest.raises(InvalidDocument, match="`shared` has no effect without a `key`"):
        batchmill.run({"nodes": [node]})


RUN = """
import sys, time
import batchmill
from batchmill.batch.admissions import shared_limits
shared_limits._MEMORY_FOLDER = sys.argv[1]
node = {"id": "n", "type": "code", "params": {"code": "import time; result = time.monotonic()"}, "batch": {
    "items": {"range": [0, 15]}, "executor": sys.argv[2], "max_concurrent": 4,
    "rate_limit": {"per_second": 10, "key": "k", "shared": True}}}
result = batchmill.run({"nodes": [node], "outputs": {"at": {"source": "${n.results[*].result}"}}})
print(*result.outputs["at"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_three_runs_at_once(tmp_path, executor):
    command = [sys.executable, "-c", RUN, str(tmp_path), executor]
    began = time.monotonic()
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    starts = sorted(float(one) for run in runs for one in run.communicate()[0].split())
    assert len(starts) == 45
    assert began < starts[0]
    late = 3 * 4  # items of the runs that had their turn, and a core for it any time later
    for first, start in enumerate(starts):
        for last in range(first + late, len(starts)):
            assert last - first + 1 <= 10 * (starts[last] - start) + late + 2


def test_a_run_hears_of_what_another_one_gives_back():
    """Whoever waits for tokens has computed its wait from a reservation that may be far too high."""
    one, two = (gate(SYSTEM_CLOCK, Limits(tokens_per_minute=60_000)) for _ in range(2))
    (leave,) = two.let_through([Expected(10.0**8, 0.0, free=False)], lambda: False)
    through, waiter = [], one.join()
    expected = Expected(10.0, 0.0, free=False)
    waiting = threading.Thread(
        target=lambda: through.append(one.wait_turn(waiter, expected, lambda: False)), daemon=True
    )
    waiting.start()
    waiting.join(0.05)  # it may have begun to wait; if not, it passes all the same
    assert not through
    two.leave(leave, EndedAttempt(tokens=10), calls=1)
    waiting.join(30)
    assert through == [True]
    one.part(waiter)
