"""Replies as blocks and chunks of this process."""

from __future__ import annotations

import pytest

from batchmill.block import Block
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.process import frames
from batchmill.executors.remote.arrived import blocks_of, rest_of
from batchmill.executors.remote.contract import Ended, RemoteReply, Rest
from batchmill.executors.remote.lanes import Stint
from batchmill.outcome import ErrorInfo, Outcome, Tried

LOST = ErrorInfo("WorkerDied", "gone", "worker_died")
THERE = Stint(100.0, 3)


def there(slot: int | None) -> Stint:
    return THERE if slot == 5 else Stint(100.0, {1: 4, 0: 6}[slot or 0])


def reply(*blocks: Block, rest: tuple[Rest, ...] = ()) -> RemoteReply:
    ended = tuple(Ended(one.start, frames.packed(one), one.cpu, one.peak, 5) for one in blocks)
    return RemoteReply("done", "a", ended, rest)


def test_times_workers_and_what_items_took_are_those_of_here() -> None:
    block = Block(4, [1, 2, None], [0.5, 0.25, 1.0], began={0: 7.0}, cpu=0.5, peak=1 << 20)
    tried = (Tried(7.75, 0.5, 1, "E"), Tried(8.25, 0.5))
    block.special[2] = Outcome(6, error=LOST, attempts=2, tried=tried)
    (found,) = blocks_of(reply(block), Chunk(4, "abc"), there, elsewhere=False)
    assert list(found.items) == ["a", "b", "c"]
    assert (found.worker, found.cpu, found.peak) == (3, 0.5, 1 << 20)
    assert [round(one or 0, 6) for one in found.begins()] == [107.0, 107.5, 107.75]
    assert [(one.began, one.worker) for one in found.outcome(2).tried] == [(107.75, 4), (108.25, 3)]


def test_attempts_that_were_lost_elsewhere_come_before_those_of_the_reply() -> None:
    before = Tried(50.0, 1.0, 1, "WorkerDied")
    block = Block(4, [1], [0.5], began={0: 7.0})
    block.special[0] = Outcome(4, 1, attempts=2)
    (found,) = blocks_of(reply(block), Chunk(4, "a", 1, LOST, (before,)), there, elsewhere=False)
    tried = found.outcome(0).tried
    assert [(one.began, one.worker, one.error) for one in tried] == [(50.0, 1, "WorkerDied"), (107.0, 3, "")]


def test_an_item_that_was_stopped_before_its_second_attempt_tells_of_one() -> None:
    before = Tried(50.0, 1.0, 1, "WorkerDied")
    stopped = Block.of(Outcome(4, error=LOST, attempts=1), None)
    (found,) = blocks_of(reply(stopped), Chunk(4, "a", 1, LOST, (before,)), there, elsewhere=False)
    assert found.outcome(0).tried == ()


def test_what_is_left_keeps_its_lost_attempts() -> None:
    rest = (Rest(4, 1, 1, LOST, (Tried(7.0, 0.5, 0, "WorkerDied"),), 0.0), Rest(5, 1, 0, None, (), 0.0))
    lost, other = rest_of(reply(rest=rest), Chunk(4, "ab"), there)
    assert (lost.start, list(lost.items), lost.attempts, lost.lost) == (4, ["a"], 1, LOST)
    assert [(one.began, one.worker) for one in lost.tried] == [(107.0, 6)]
    assert (other.start, list(other.items), other.lost) == (5, ["b"], None)


def test_a_reply_about_other_items_is_refused() -> None:
    with pytest.raises(InternalError, match="other items"):
        blocks_of(reply(Block(4, [1], [0.5])), Chunk(4, "ab"), there, elsewhere=False)
