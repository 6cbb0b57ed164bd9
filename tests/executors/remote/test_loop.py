"""The executor over a carrier in this process: the same outcomes as from the process executor."""

from __future__ import annotations

import concurrent.futures
import logging
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.errors import ClusterLost, ExecutorUnavailable
from batchmill.executors.remote import agent
from batchmill.executors.remote.contract import Done, End, Gone, Lost, RemoteOrder, RemoteReply
from batchmill.executors.remote.futures import LoopCarrier
from batchmill.executors.remote.where import carrier_at, disconnect

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


def same(item: Any) -> Any:
    return item


def kills_itself(item: int) -> int:
    if item == 37:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def slow_at_three(item: int) -> int:
    if item == 3:
        time.sleep(30)
    return item


def fails_at_thirty(item: int) -> float:
    return 1 / (item - 30)


def logs(item: int) -> int:
    logging.getLogger("of.items").warning("item %d", item)
    return item


def unpicklable(item: int) -> Any:
    return threading.Lock() if item == 2 else item


class Counted:
    """Fails until its second attempt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int) -> int:
        seen = self.folder / str(item)
        if seen.exists():
            return item
        seen.touch()
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("once more")


class Interfering(LoopCarrier):
    """Hands back another end for orders that hold the item ``index``, ``times`` times."""

    def __init__(self, index: int, end: End, times: int = 99) -> None:
        super().__init__(2)
        self.index = index
        self.end = end
        self.times = times
        self.hit: list[tuple[int, int]] = []
        self.at_work: set[int] = set()
        self.company: list[int] = []  # how many other orders were at work at each hit

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> Any:
        one: RemoteOrder = pickle.loads(order)
        number = one.start
        self.at_work.add(number)

        def ended(end: End, worker: str = "") -> None:
            self.at_work.discard(number)
            done(end, worker)

        if one.start <= self.index < one.start + one.n_items and len(self.hit) < self.times:
            self.hit.append((one.start, one.n_items))
            self.company.append(len(self.at_work) - 1)
            threading.Timer(0.01, ended, (self.end,)).start()
            return self
        return super().send(order, ended)

    def drop(self) -> None:
        """As a ticket: nothing runs."""


@pytest.mark.usefixtures("loop")
def test_a_worker_that_dies_costs_its_item_and_no_other() -> None:
    result = batchmill.map(kills_itself, range(100), executor="dask", error_handling="continue")
    assert result.success_count == 99
    assert [value for value in result if value is not None] == [2 * k for k in range(100) if k != 37]
    (error,) = result.errors
    assert (error["index"], error["kind"], error["type"], error["attempts"]) == (
        37,
        "worker_died",
        "WorkerDied",
        1,
    )
    assert "was killed by signal 9 (SIGKILL) on " in error["message"]


def test_a_batch_begins_at_the_pace_of_the_last_one_of_its_kind(use: Any) -> None:
    sizes: list[int] = []

    class Counting(LoopCarrier):
        def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> Any:
            sizes.append(pickle.loads(order).n_items)
            return super().send(order, done, without)

    use(Counting(2))
    batchmill.map(same, range(400), executor="dask")
    assert sizes[0] == 1
    sizes.clear()
    batchmill.map(same, range(400), executor="dask")
    assert sizes[0] > 1


@pytest.mark.usefixtures("loop")
def test_results_come_in_order_and_many_of_them() -> None:
    assert batchmill.map(same, range(5000), executor="dask") == list(range(5000))
    assert list(batchmill.imap(same, iter(range(300)), executor="dask")) == list(range(300))
    assert sorted(batchmill.imap(same, range(300), executor="dask", ordered=False)) == list(range(300))
    assert batchmill.map(same, [], executor="dask") == []


@pytest.mark.usefixtures("loop")
def test_an_item_past_its_timeout_is_killed(given_time: Any) -> None:
    def check(seconds: float) -> None:
        settings: Any = {"executor": "dask", "timeout": seconds, "error_handling": "continue"}
        result = batchmill.map(slow_at_three, range(8), **settings)
        assert [(error["index"], error["kind"]) for error in result.errors] == [(3, "timeout")]
        assert result.success_count == 7

    given_time(check)


@pytest.mark.usefixtures("loop")
@pytest.mark.slow
def test_fail_fast_raises_what_the_item_raised_and_stops_the_rest() -> None:
    with pytest.raises(batchmill.BatchFailed, match="item 30") as caught:
        batchmill.map(fails_at_thirty, range(100_000), executor="dask")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.result.success_count < 100_000 - 1
    assert len(caught.value.result) == 100_000


@pytest.mark.usefixtures("loop")
def test_attempts_are_made_again_those_of_dead_workers_too(tmp_path: Path) -> None:
    result = batchmill.map(Counted(tmp_path), range(8), executor="dask", max_retries=2)
    assert result == list(range(8))


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(("retry_on", "attempts"), [("itself", 2), (LookupError, 1), (Exception, 2)])
def test_which_exceptions_are_tried_again_is_said_by_their_classes(retry_on: Any, attempts: int) -> None:
    class OfMain(Exception):
        pass

    def fails(item: int) -> None:
        raise OfMain(item)

    on = OfMain if retry_on == "itself" else retry_on
    settings: dict[str, Any] = {"executor": "dask", "max_retries": 2, "error_handling": "continue"}
    assert batchmill.map(fails, [1], retry_on=on, **settings).errors[0]["attempts"] == attempts
    died = batchmill.map(kills_itself, [37], retry_on=on, **settings).errors[0]
    assert died["attempts"] == (2 if retry_on is Exception else 1)


@pytest.mark.usefixtures("loop")
def test_a_rate_limit_starts_each_attempt(tmp_path: Path) -> None:
    limit = {"per_second": 200, "burst": 1}
    result = batchmill.map(Counted(tmp_path), range(6), executor="dask", max_retries=2, rate_limit=limit)
    assert result == list(range(6))


@pytest.mark.usefixtures("loop")
def test_what_cannot_travel_is_an_error_of_its_item() -> None:
    result = batchmill.map(unpicklable, range(4), executor="dask", error_handling="continue")
    assert [(error["index"], error["kind"]) for error in result.errors] == [(2, "not_picklable")]
    items = [1, threading.Lock(), 3]
    result = batchmill.map(same, items, executor="dask", error_handling="continue")
    assert [(error["index"], error["kind"]) for error in result.errors] == [(1, "not_picklable")]
    lock = threading.Lock()
    result = batchmill.map(lambda item: (item, lock), [1, 2], executor="dask", error_handling="continue")
    assert [error["kind"] for error in result.errors] == ["not_picklable"] * 2


@pytest.mark.usefixtures("loop")
def test_what_items_log_is_heard_here(caplog: pytest.LogCaptureFixture) -> None:
    batchmill.map(logs, range(3), executor="dask")
    assert sorted(record.getMessage() for record in caplog.records) == ["item 0", "item 1", "item 2"]


@pytest.mark.usefixtures("loop")
def test_leaving_a_stream_ends_what_runs() -> None:
    stream = batchmill.imap(time.sleep, [0, 60, 60], executor="dask", max_concurrent=2)
    assert next(iter(stream)) is None
    stream.close()
    assert not agent._agent._at_work


@pytest.mark.parametrize(
    ("size", "hit"),
    [(20, [(40, 20), (40, 1)]), (1000, [(0, 1000), (31, 31)])],  # long items go on one by one, short ones not
)
def test_a_lost_worker_costs_no_item(use: Any, size: int, hit: list[tuple[int, int]]) -> None:
    carrier = use(Interfering(40, Lost("node7"), times=2))
    assert batchmill.map(same, range(1000), executor="dask", chunk_size=size) == list(range(1000))
    assert carrier.hit == hit


def test_what_was_there_when_three_workers_were_lost_is_charged_alone(use: Any) -> None:
    carrier = use(Interfering(40, Lost("node7")))
    result = batchmill.map(same, range(100), executor="dask", error_handling="continue", chunk_size=50)
    assert [error["index"] for error in result.errors] == [40]
    assert result.errors[0]["message"].endswith("(node7, node7, node7)")
    assert result.success_count == 99
    assert len(carrier.hit) == 3
    assert carrier.company[2] == 0


def test_a_worker_that_was_asked_to_leave_is_nobodys_fault(use: Any) -> None:
    use(Interfering(40, Lost("node7", expected=True), times=7))
    assert batchmill.map(same, range(100), executor="dask") == list(range(100))


def test_a_lost_cluster_ends_the_batch(use: Any) -> None:
    use(Interfering(40, Gone("its scheduler is not there any more")))
    with pytest.raises(ClusterLost, match="its scheduler is not there any more"):
        batchmill.map(same, range(100), executor="dask")


def test_a_worker_that_can_run_nothing_ends_the_batch(use: Any) -> None:
    reply = pickle.dumps(RemoteReply("unable", "node7", reason="no room"))
    use(Interfering(40, reply))
    with pytest.raises(ExecutorUnavailable, match="the worker on node7 runs nothing: no room"):
        batchmill.map(same, range(100), executor="dask")


class WithUnable(LoopCarrier):
    """Two workers: ``good`` runs all, ``bad`` nothing; ``told`` are those that each order must avoid."""

    def __init__(self) -> None:
        super().__init__(2)
        self.told: list[frozenset[str]] = []

    def seats(self, without: Collection[str] = ()) -> int:
        return 2 - len({"good", "bad"} & set(without))

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> Any:
        self.told.append(frozenset(without))
        if "bad" in without:
            return super().send(order, lambda end, worker="": done(end, "good"), without)
        reply = pickle.dumps(RemoteReply("unable", "node7", reason="no room"))
        threading.Timer(0.01, done, (reply, "bad")).start()
        return self

    def drop(self) -> None:
        """As a ticket: nothing runs."""


def test_a_worker_that_can_run_nothing_is_left_out_while_others_can(use: Any) -> None:
    carrier = use(WithUnable())
    assert batchmill.map(same, range(100), executor="dask") == list(range(100))
    assert carrier.told[0] == frozenset()
    assert carrier.told[-1] == {"bad"}
    carrier.told.clear()
    batchmill.map(same, range(3), executor="dask")
    assert carrier.told[0] == frozenset()  # it may be able to run another batch


def test_a_large_job_is_sent_again_to_who_has_forgotten_it(use: Any) -> None:
    use(Interfering(40, pickle.dumps(RemoteReply("no_job", "node7")), times=3))
    ballast = os.urandom(100_000)
    assert batchmill.map(lambda item: item + len(ballast), range(100), executor="dask")[99] == 100_099


@pytest.mark.parametrize(
    "wire", [0, "3 of Python 3.2"]
)  # such a worker may come after versions were compared
def test_an_agent_of_another_version_says_so(wire: Any) -> None:
    order = RemoteOrder(wire, "b", b"d", None, 0, 0, b"", True, 0, None, 0.0, 1.0)
    reply: RemoteReply = pickle.loads(agent.run(pickle.dumps(order)))
    assert reply.status == "unable"
    assert f"not {wire}: install the same version of it, for the same minor version of Python" in reply.reason


def test_workers_elsewhere_have_their_own_environment(
    use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THE_PARENT", "secret")
    carrier = use(LoopCarrier(1))
    monkeypatch.setattr(type(carrier), "here", False)
    look = batchmill.map(lambda _: (os.getcwd(), os.environ.get("OF_THE_PARENT")), [0], executor="dask")
    assert look == [(str(tmp_path), None)]
    assert list(tmp_path.iterdir()) == []


class Failing(concurrent.futures.ThreadPoolExecutor):
    """Says of its first call that a worker is lost, and ``for_good`` of all calls after it too."""

    seats = 3

    def __init__(self, *, for_good: bool) -> None:
        super().__init__(1, thread_name_prefix="batchmill-pool-of-tests")
        self.for_good = for_good
        self.calls = 0

    def submit(self, function: Any, /, *given: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls > 1 and not self.for_good:
            return super().submit(function, *given, **named)
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_exception(OSError("the connection was closed"))
        return future


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Executors that batches with ``cluster=MADE`` use: the first, and the next one where that is lost."""
    executors: list[Any] = []
    monkeypatch.setattr(agent, "made_by_tests", lambda: executors.pop(0), raising=False)
    yield executors
    disconnect()


MADE = {"python": "batchmill.executors.remote.agent:made_by_tests"}


def test_any_executor_of_futures_carries_items(made: list[Any]) -> None:
    made.append(concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="batchmill-pool-of-tests"))
    assert batchmill.map(same, range(50), executor="dask", cluster=MADE) == list(range(50))


def test_an_executor_that_says_it_lost_a_worker_and_goes_on_costs_no_item(made: list[Any]) -> None:
    made.append(Failing(for_good=False))
    assert carrier_at(MADE).seats() == 3
    assert batchmill.map(same, range(50), executor="dask", cluster=MADE) == list(range(50))


def test_an_executor_whose_calls_all_fail_is_a_lost_cluster_and_the_next_batch_has_another(
    made: list[Any],
) -> None:
    made += [Failing(for_good=True), Failing(for_good=False)]
    with pytest.raises(ClusterLost, match="OSError: the connection was closed"):
        batchmill.map(same, range(50), executor="dask", cluster=MADE)
    assert batchmill.map(same, range(50), executor="dask", cluster=MADE) == list(range(50))
