"""Who ends exchanges whose time is up."""

from __future__ import annotations

import threading
import time

from batchmill.nodes.http.deadlines import Deadlines


class Ends:
    def __init__(self, seconds):
        self.deadline = time.monotonic() + seconds
        self.ended = threading.Event()

    def expire(self):
        assert time.monotonic() >= self.deadline
        self.ended.set()


def test_each_ends_at_its_own_time_and_what_is_forgotten_does_not():
    watching = Deadlines()
    late, forgotten, early = Ends(3600), Ends(0.05), Ends(0.01)
    for one in (late, forgotten, early):
        watching.watch(one)
    watching.forget(forgotten)
    last = Ends(0.1)
    watching.watch(last)
    assert early.ended.wait(30)
    assert last.ended.wait(30)
    assert not late.ended.is_set()
    assert not forgotten.ended.is_set()
    watching.close()
    watching.forget(late)  # then its thread ends


def test_what_is_watched_after_the_end_ends_too():
    watching = Deadlines()
    for _ in range(2):
        one = Ends(0.01)
        watching.watch(one)
        assert one.ended.wait(30)
        watching.close()
