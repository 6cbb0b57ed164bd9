"""What a batch does when there are fewer slots than it asks for."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.process import leases
from batchmill.executors.process.leases import Leases


class FewSlots:
    """A pool with ``left`` slots to give; ``others`` are on lease to another batch."""

    def __init__(self, left: int, others: int = 0) -> None:
        self.left = left
        self.others = others
        self.lock = threading.Lock()

    def lease(self, modules: frozenset[str] = frozenset()) -> Any:
        with self.lock:
            if not self.left:
                raise ExecutorUnavailable("no more")
            self.left -= 1
        return SimpleNamespace()

    def release(self, slot: Any) -> None:
        with self.lock:
            self.left += 1

    def in_use(self) -> int:
        return self.others


def never() -> bool:
    """Whether the batch that asks has no need any more."""
    return False


def batch(pool: FewSlots) -> Leases:
    return Leases(pool, None)  # type: ignore[arg-type]  # stands in for the pool by shape; no job is sent


def test_a_batch_that_has_a_slot_does_without_more() -> None:
    one = batch(FewSlots(2))
    assert one.lease(never) is not None
    assert one.lease(never) is not None
    assert one.lease(never) is None


def test_what_its_workers_log_goes_to_who_leased_them() -> None:
    heard: list[Any] = []
    leases = Leases(FewSlots(1), None, heard=heard.append)  # type: ignore[arg-type]  # stands in for the pool by shape
    link = leases.lease(never)
    assert link is not None
    link.slot.heard("a record")  # type: ignore[arg-type]  # whatever it is
    assert heard == ["a record"]


def test_a_batch_that_has_none_is_told_why() -> None:
    with pytest.raises(ExecutorUnavailable, match="no more"):
        batch(FewSlots(0)).lease(never)


def test_a_batch_that_has_none_waits_for_another_s() -> None:
    pool = FewSlots(0, others=1)
    threading.Timer(0.05, pool.release, [None]).start()
    assert batch(pool).lease(never) is not None


def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PATIENCE_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(ExecutorUnavailable):
        batch(FewSlots(0, others=1)).lease(never)
    assert time.monotonic() - began >= 0.1


def test_a_slot_given_back_can_be_had_again() -> None:
    one = batch(FewSlots(1))
    slot = one.lease(never)
    assert slot is not None
    slot.give_back()
    assert one.lease(never) is not None


def test_of_many_that_ask_at_least_one_gets_what_there_is() -> None:
    for _ in range(30):
        one, got = batch(FewSlots(1)), []
        threads = [
            threading.Thread(target=lambda one=one, got=got: got.append(one.lease(never))) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(slot is not None for slot in got) == 1
