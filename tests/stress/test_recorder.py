"""The recorder under 64 threads: nothing is lost, doubled or torn apart."""

import threading

from batchmill.record import Recorder

EACH = 100
THREADS = 64


def test_no_record_is_lost(storm):
    recorder = Recorder()

    def add(number):
        for k in range(EACH):
            recorder.append((number, k))

    storm(add)
    assert len(recorder) == THREADS * EACH
    for number in range(THREADS):
        assert [k for who, k in recorder if who == number] == list(range(EACH))


def test_what_is_added_together_stays_together(storm):
    recorder = Recorder()

    def add(number):
        for k in range(20):
            recorder.extend([(number, k, part) for part in range(5)])

    storm(add)
    records = recorder.snapshot()
    for start in range(0, len(records), 5):
        number, k, _ = records[start]
        assert records[start : start + 5] == [(number, k, part) for part in range(5)]


def test_what_one_drains_no_other_gets(storm):
    recorder, lock, got = Recorder(), threading.Lock(), []

    def add_and_drain(number):
        for k in range(EACH):
            recorder.append((number, k))
            if k % 7 == 0:
                taken = recorder.drain()
                with lock:
                    got.extend(taken)

    storm(add_and_drain)
    got.extend(recorder.drain())
    assert len(got) == len(set(got)) == THREADS * EACH
    assert len(recorder) == 0


def test_readers_see_whole_states(storm):
    recorder = Recorder()

    def work(number):
        if number % 2:
            for k in range(EACH):
                recorder.append(k)
            return
        last = 0
        for _ in range(50):
            seen = len(list(recorder))
            assert seen >= last
            last = seen

    storm(work)
