"""What an item does to its process or to its task stays with that item."""

from __future__ import annotations

import copy
import locale
import os
import signal
import sys
import threading
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.errors import NotCopyable
from batchmill.executors import contract
from batchmill.executors.cores import usable_cores
from batchmill.executors.process.environment import LIBRARY_THREADS

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PROCESS: dict[str, Any] = {"executor": "process", "max_concurrent": 1}


def surroundings() -> tuple[Any, ...]:
    handlers = tuple(
        str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)
    )
    return os.getcwd(), dict(os.environ), locale.setlocale(locale.LC_ALL), list(sys.path), handlers


def change_folder() -> None:
    os.chdir("/")


def change_environment() -> None:
    os.environ["BATCHMILL_STRAY"] = "1"
    os.environ["HOME"] = "/nowhere"
    del os.environ["PATH"]


def change_locale() -> None:
    locale.setlocale(locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8")


def change_handlers() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda number, frame: None)


def change_path() -> None:
    sys.path.insert(0, "/nowhere")


def set_an_alarm() -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.05)


CHANGES = [change_folder, change_environment, change_locale, change_handlers, change_path, set_an_alarm]
NAMED = {change.__name__: change for change in CHANGES}


def change_and_look(item: int | str) -> tuple[Any, ...]:
    before = surroundings()
    if isinstance(item, str):
        NAMED[item]()
        assert surroundings() != before
    return before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_next_item_and_the_next_batch_see_the_original(change: Any) -> None:
    items: list[int | str] = [0, change.__name__, 1, change.__name__, 2, 3]
    seen = batchmill.map(change_and_look, items, chunk_size=6, **PROCESS)
    assert all(one == seen[0] for one in seen)
    assert seen[0] is not None
    assert seen[0][0] == os.getcwd()
    threads = dict.fromkeys(LIBRARY_THREADS, str(usable_cores()))  # there is one worker
    assert seen[0][1] == {**threads, **os.environ}
    assert batchmill.map(change_and_look, [0], **PROCESS)[0] == seen[0]


def test_an_alarm_left_behind_does_not_end_the_next_item() -> None:
    batchmill.map(change_and_look, ["set_an_alarm"], **PROCESS)
    result = batchmill.map(wait_a_little, range(3), **PROCESS)
    assert result == [0, 1, 2]


def wait_a_little(item: int) -> int:
    threading.Event().wait(0.05)
    return item


def test_workers_see_the_parent_as_it_is_when_the_batch_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    batchmill.map(change_and_look, [0], **PROCESS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHMILL_NEW", "here")
    (seen,) = batchmill.map(change_and_look, [0], **PROCESS)
    assert seen is not None
    assert seen[0] == str(tmp_path)
    assert seen[1]["BATCHMILL_NEW"] == "here"


def talk(item: int) -> int:
    print("out", item)
    print("err", item, file=sys.stderr)
    os.write(1, b"raw\n")
    return item


def test_items_may_print(capfd: pytest.CaptureFixture[str]) -> None:
    for executor in ("thread", "process"):
        assert batchmill.map(talk, range(5), executor=executor) == list(range(5))
    assert capfd.readouterr().out.count("out") >= 5


def close_the_streams(item: int) -> int:
    if item == 1:
        sys.stdout.close()
        sys.stderr.close()
    return item


def test_an_item_that_closes_its_streams_is_alone_in_that() -> None:
    result = batchmill.map(close_the_streams, range(6), error_handling="continue", **PROCESS)
    assert list(result) == list(range(6))
    assert batchmill.map(talk, range(3), **PROCESS) == [0, 1, 2]


class Counting(contract.Task):
    """Keeps state on itself, as nodes should not; every worker thread has its own."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def run(self, item: int, index: int, attempt: Attempt) -> tuple[int, int]:
        self.seen.append(item)
        return id(self), len(self.seen)


def test_every_thread_has_its_own_copy_of_the_task() -> None:
    task = Counting()
    result = run_batch(task, range(100), BatchSettings("thread", 3))
    assert task.seen == []
    by_copy: dict[int, list[int]] = {}
    for one in result.succeeded:
        by_copy.setdefault(one[0], []).append(one[1])
    assert sum(map(len, by_copy.values())) == 100
    assert all(sorted(counts) == list(range(1, len(counts) + 1)) for counts in by_copy.values())


class WithLock(contract.Task):
    def __init__(self) -> None:
        self.inner = {"guard": threading.Lock()}

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        with self.inner["guard"]:
            return item


class CopiesItself(WithLock):
    def __deepcopy__(self, memo: dict[int, Any]) -> CopiesItself:
        return CopiesItself()


def test_a_task_that_cannot_be_copied_is_named() -> None:
    with pytest.raises(NotCopyable, match=r"task\.inner\['guard'\] \(_thread\.lock\).*__deepcopy__"):
        run_batch(WithLock(), range(10), BatchSettings("thread", 2))


def test_a_task_may_say_how_it_is_copied() -> None:
    task = CopiesItself()
    assert copy.deepcopy(task) is not task
    assert run_batch(task, range(10), BatchSettings("thread", 2)) == list(range(10))
    assert run_batch(task, range(10), BatchSettings("sequential")) == list(range(10))


def test_a_batch_on_threads_still_works_after_one_that_could_not_start() -> None:
    with pytest.raises(NotCopyable):
        run_batch(WithLock(), range(10), BatchSettings("thread", 2))
    assert run_batch(CopiesItself(), range(3), BatchSettings("thread", 2)) == [0, 1, 2]
