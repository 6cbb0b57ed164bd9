"""Permits: so many at once, in turn, and lent out while their holder waits."""

from __future__ import annotations

import copy
import pickle
import threading
import time

from batchmill.concurrency.semaphore import FairSemaphore


def never() -> bool:
    return False


def waiting(permits: FairSemaphore, number: int) -> None:
    """Wait until so many threads wait for a permit."""
    deadline = time.monotonic() + 5
    while len(permits._waiting) < number:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_so_many_and_no_more_until_one_is_released():
    permits = FairSemaphore(2)
    first, second = permits.acquire(never), permits.acquire(never)
    assert first is not None
    assert second is not None
    assert permits.acquire(lambda: True) is None
    permits.release(first)
    assert permits.acquire(lambda: True) is not None


def test_where_there_is_no_room_one_is_given_out_all_the_same():
    room = [False]
    permits = FairSemaphore(3, lambda: not room[0])
    first = permits.acquire(never)
    assert permits.acquire(lambda: True) is None
    room[0] = True
    assert permits.acquire(lambda: True) is not None
    room[0] = False
    permits.release(first)
    assert permits.acquire(lambda: True) is None


def test_releasing_twice_gives_one_back():
    permits = FairSemaphore(1)
    permit = permits.acquire(never)
    permits.release(permit)
    permits.release(permit)
    assert permits.acquire(lambda: True) is not None
    assert permits.acquire(lambda: True) is None


def test_they_are_given_out_in_the_order_they_were_asked_for():
    permits, order = FairSemaphore(1), []
    held = permits.acquire(never)

    def ask(name):
        permit = permits.acquire(never)
        order.append(name)
        permits.release(permit)

    threads = []
    for name in "abc":
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
        waiting(permits, len(threads))
    permits.release(held)
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c"]


def test_who_waits_can_give_up_and_the_next_gets_its_turn():
    permits, given_up, got = FairSemaphore(1), threading.Event(), []
    held = permits.acquire(never)
    threads = [
        threading.Thread(target=lambda: got.append(("gives up", permits.acquire(given_up.is_set)))),
        threading.Thread(target=lambda: got.append(("waits", permits.acquire(never)))),
    ]
    for number, thread in enumerate(threads, 1):
        thread.start()
        waiting(permits, number)
    given_up.set()
    permits.wake()
    threads[0].join()
    assert got == [("gives up", None)]
    permits.release(held)
    threads[1].join()
    assert got[1][1] is not None


def test_a_lent_permit_is_free_meanwhile_and_taken_back():
    permits = FairSemaphore(1)
    permit = permits.acquire(never)
    permits.working_on(permit)
    with permits.lent():
        other = permits.acquire(lambda: True)
        assert other is not None
        permits.release(other)
    assert permits.acquire(lambda: True) is None
    permits.release(permit)
    assert permits.acquire(lambda: True) is not None


def test_lending_waits_for_a_permit_when_it_ends():
    permits, back = FairSemaphore(1), threading.Event()
    other = []

    def work():
        permits.working_on(permits.acquire(never))
        with permits.lent():
            other.append(permits.acquire(never))
        back.set()

    thread = threading.Thread(target=work)
    thread.start()
    waiting(permits, 1)
    assert not back.is_set()
    permits.release(other[0])
    thread.join()
    assert back.is_set()


def test_work_that_was_given_up_takes_nothing_back():
    permits, permit_of = FairSemaphore(1), []

    def work():
        permit_of.append(permits.acquire(never))
        permits.working_on(permit_of[0])
        with permits.lent():
            permits.release(permit_of[0])  # its item was given up from outside

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert permits.acquire(lambda: True) is not None
    assert permits.acquire(lambda: True) is None


def test_work_that_is_given_up_while_it_waits_to_go_on_takes_nothing_back():
    permits, permit_of, other = FairSemaphore(1), [], []

    def work():
        permit_of.append(permits.acquire(never))
        permits.working_on(permit_of[0])
        with permits.lent():
            other.append(permits.acquire(never))

    thread = threading.Thread(target=work)
    thread.start()
    waiting(permits, 1)
    permits.release(permit_of[0])
    permits.wake()
    thread.join(5)
    assert not thread.is_alive()
    permits.release(other[0])
    assert permits.acquire(lambda: True) is not None
    assert permits.acquire(lambda: True) is None


def test_without_a_permit_there_is_nothing_to_lend():
    permits = FairSemaphore(1)
    with permits.lent():
        assert permits.acquire(lambda: True) is not None


def test_a_copy_is_the_same_and_another_process_has_one_of_its_own():
    permits = FairSemaphore(5)
    assert copy.deepcopy(permits) is permits
    arrived = pickle.loads(pickle.dumps(permits))
    assert arrived.acquire(lambda: True) is not None
    assert arrived.acquire(lambda: True) is None
