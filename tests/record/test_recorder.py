"""The recorder: nothing is lost, whoever writes."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from typing import Any

from batchmill.record import Recorder


def in_threads(count: int, job: Any) -> None:
    threads = [threading.Thread(target=job, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_it_reads_like_a_list() -> None:
    recorder = Recorder([1, 2])
    recorder.append(3)
    recorder.extend(iter([4, 5]))
    assert recorder == [1, 2, 3, 4, 5] == list(recorder)
    assert len(recorder) == 5
    assert recorder[0] == 1
    assert recorder[-2:] == [4, 5]
    assert recorder == Recorder([1, 2, 3, 4, 5])
    assert recorder != [1]
    assert recorder != "other"
    assert 3 in recorder
    assert repr(recorder) == "Recorder([1, 2, 3, 4, 5])"


def test_many_writers_lose_nothing() -> None:
    recorder = Recorder()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(6, lambda number: [recorder.append((number, k)) for k in range(400)])
    finally:
        sys.setswitchinterval(interval)
    assert len(recorder) == 2400
    for number in range(6):
        assert [k for who, k in recorder if who == number] == list(range(400))


def test_what_is_added_together_stays_together() -> None:
    recorder = Recorder()
    in_threads(4, lambda number: [recorder.extend([number] * 5) for _ in range(100)])
    records = recorder.snapshot()
    assert all(len(set(records[k : k + 5])) == 1 for k in range(0, len(records), 5))


def test_what_one_drains_no_other_gets() -> None:
    recorder = Recorder(range(2000))
    drained: list[int] = []
    in_threads(4, lambda number: [drained.extend(recorder.drain()) for _ in range(20)])
    assert sorted(drained) == list(range(2000))
    assert recorder.drain() == ()


def test_copies_share_it_and_pickles_arrive_empty() -> None:
    recorder = Recorder([1])
    assert copy.deepcopy({"chain": [recorder]})["chain"][0] is recorder
    assert copy.copy(recorder) is recorder
    arrived = pickle.loads(pickle.dumps(recorder))
    assert arrived == []
    arrived.append(2)
    assert recorder == [1]


def test_reading_is_not_disturbed_by_writing() -> None:
    recorder = Recorder(range(100))
    for record in recorder:
        recorder.append(record)
    assert len(recorder) == 200
