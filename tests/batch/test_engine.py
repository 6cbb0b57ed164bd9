"""Runs that are stopped or cancelled from outside, and what callers hear meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch, stream_batch
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting
from batchmill.executors import contract

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Waits(contract.Task):
    """Waits until cancelled, from item 3 on."""

    share = True

    def __init__(self) -> None:
        self.begun = threading.Event()

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        if item >= 3:
            self.begun.set()
            assert attempt.cancel.wait(10)
        return item


class Sleeps(contract.Task):
    share = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        time.sleep(self.seconds)
        return item


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_stopped_batch_lets_running_items_finish(executor: str) -> None:
    stop, ended = CancelToken(), []

    def on_block(block: Block) -> None:
        ended.extend(block.values)
        if len(ended) > 1:
            stop.cancel()

    result = run_batch(Sleeps(0.02), range(500), BatchSettings(executor, 2), stop=stop, on_block=on_block)
    assert result.stopped
    assert result.failure == "stopped before all items were done"
    assert result.error_count == 0
    assert 1 < result.success_count < 500
    assert {error["kind"] for error in result.errors} == {"cancelled"}
    assert {error["attempts"] for error in result.errors} == {0}
    assert result.count == 500


class Stays(contract.Task):
    """Leaves a file when it has begun, and waits for another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, item: int, index: int, attempt: Attempt) -> None:
        (self.folder / f"begun-{item}").touch()
        while not (self.folder / "over").exists():
            time.sleep(0.02)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_cancelled_batch_ends_running_items(executor: str, tmp_path: Path, soon: Any) -> None:
    cancel = CancelToken()
    canceller = threading.Thread(
        target=lambda: (soon(lambda: len(list(tmp_path.iterdir())) == 2), cancel.cancel())
    )
    canceller.start()
    result = run_batch(Stays(tmp_path), range(8), BatchSettings(executor, 2), cancel=cancel)
    canceller.join()
    (tmp_path / "over").touch()  # for threads, which cannot be ended
    assert result.success_count == 0
    assert {error["kind"] for error in result.errors} == {"cancelled"}
    assert sorted(error["attempts"] for error in result.errors) == [0] * 6 + [1] * 2


def test_a_task_hears_that_its_batch_is_cancelled() -> None:
    task, cancel = Waits(), CancelToken()
    threading.Thread(target=lambda: task.begun.wait(10) and cancel.cancel()).start()
    result = run_batch(task, range(6), BatchSettings("thread", 1), cancel=cancel)
    assert list(result)[:3] == [0, 1, 2]
    assert {error["kind"] for error in result.errors} <= {"cancelled"}


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_batch_that_was_stopped_before_it_began_runs_nothing(executor: str) -> None:
    stop = CancelToken()
    stop.cancel()
    result = run_batch(Sleeps(0), range(5), BatchSettings(executor), stop=stop)
    assert [error["kind"] for error in result.errors] == ["cancelled"] * 5


def test_blocks_are_told_as_they_come() -> None:
    heard: list[Block] = []
    here = threading.get_ident()

    def hear(block: Block) -> None:
        assert threading.get_ident() == here
        heard.append(block)

    run_batch(Sleeps(0), range(50), BatchSettings("thread", 3), on_block=hear)
    assert sorted(index for one in heard for index in range(one.start, one.start + len(one))) == list(
        range(50)
    )


@pytest.mark.slow
def test_a_listener_that_fails_ends_the_batch() -> None:
    def fail(block: Block) -> None:
        raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        run_batch(Sleeps(0.001), range(10**5), BatchSettings("thread", 3), on_block=fail)


def test_a_stream_of_blocks_is_in_order() -> None:
    blocks = stream_batch(Sleeps(0), range(100), BatchSettings("thread", 3))
    assert [outcome.index for block in blocks for outcome in block.outcomes()] == list(range(100))


@pytest.mark.parametrize(
    ("name", "hint"), [("proces", "did you mean 'process'"), ("dusk", "only sequential"), ("", "only")]
)
def test_an_executor_there_is_none_of(name: str, hint: str) -> None:
    with pytest.raises(InvalidSetting, match=hint):
        batchmill.map(len, [[]], executor=name)


def test_what_is_no_function_is_refused() -> None:
    no_function: Any = 7
    with pytest.raises(InvalidSetting, match="the first argument must be a function or a node, not int"):
        batchmill.map(no_function, [1])
