"""Workers that are asked to leave, at the instants at which a reply could be lost: no item runs twice."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.executors.remote import agent, dask_side
from batchmill.executors.remote.agent import Agent
from batchmill.executors.remote.contract import WIRE, RemoteOrder, RemoteReply
from batchmill.executors.remote.dask_side import DaskOrderWaiter, topic_of
from batchmill.executors.remote.futures import LoopCarrier

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

NAME = f"batchmill-{'0' * 32}"


class Worker:
    """A worker of Dask's, as far as its agent looks."""

    def __init__(self) -> None:
        self.status = SimpleNamespace(name="running")
        self.state = SimpleNamespace(tasks={})
        self.batched_stream = SimpleNamespace(comm=SimpleNamespace(closed=lambda: False))
        self.told: list[dict[str, Any]] = []

    def log_event(self, topic: str, told: dict[str, Any]) -> None:
        assert topic == topic_of(told["order"])
        self.told.append(told)

    def task(self, number: int, state: str = "executing") -> str:
        key = f"{NAME}-{number}"
        self.state.tasks[key] = SimpleNamespace(state=state)
        return key

    def leave(self, at_work: Agent) -> threading.Thread:
        """Its end has begun: what it does then, in a thread."""
        self.status.name = "closing"
        teardown = dask_side._teardown(at_work)(None, self)
        thread = threading.Thread(target=lambda: asyncio.run(teardown))
        thread.start()
        return thread


class Gate:
    """In the place of :meth:`Agent.run`: waits, and then has a reply."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self, order: RemoteOrder, waiting: Any) -> RemoteReply:
        self.begun.set()
        assert self.open.wait(60)
        return RemoteReply("done", "node7")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(Agent, "run", lambda self, order, waiting, hold: gate(order, waiting))
    return gate


def serving(agent_: Agent, worker: Worker, key: str, monkeypatch: pytest.MonkeyPatch) -> threading.Thread:
    monkeypatch.setattr(agent, "who_waits", lambda at_work: DaskOrderWaiter(worker, key))
    thread = threading.Thread(target=agent_.serve, args=[None, 0.0])
    thread.start()
    return thread


def without_stay(packed: bytes) -> RemoteReply:
    """A reply without the times at which it came and went."""
    reply: RemoteReply = pickle.loads(packed)
    return reply._replace(stay=None)


def test_a_reply_that_ended_unheard_is_handed_in(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler has removed the worker, which does not know it yet, when an order ends."""
    mine, worker = Agent(), Worker()
    key = worker.task(0)
    gate.open.set()
    serving(mine, worker, key, monkeypatch).join()
    assert worker.told == []  # nobody has said that it is to leave
    never = worker.task(1, "ready")
    worker.leave(mine).join()
    told = {one["order"]: one["reply"] for one in worker.told}
    assert without_stay(told[key]) == RemoteReply("done", "node7")
    assert told[never] is None
    assert len(worker.told) == 2


def test_an_order_at_work_is_handed_in_once_it_ends(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, worker = Agent(), Worker()
    key = worker.task(0)
    at_it = serving(mine, worker, key, monkeypatch)
    assert gate.begun.wait(60)
    leaving = worker.leave(mine)
    gate.open.set()
    at_it.join()
    leaving.join()
    # maybe twice, which its client ignores
    assert {without_stay(one["reply"]) for one in worker.told} == {RemoteReply("done", "node7")}


def test_replies_that_were_fetched_are_forgotten(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, worker = Agent(), Worker()
    gate.open.set()
    key = worker.task(0)
    serving(mine, worker, key, monkeypatch).join()
    assert list(mine.here()[1]) == [key]
    del worker.state.tasks[key]  # Dask's way to say that nobody needs it any more
    assert mine.here() == ([], {})
    worker.leave(mine).join()
    assert worker.told == []


def test_of_other_carriers_nothing_is_kept(loop: LoopCarrier) -> None:
    assert batchmill.map(abs, [-1, 2], executor="dask") == [1, 2]
    assert agent._agent.here() == ([], {})


def test_orders_that_have_not_begun_are_recalled_and_never_run(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, worker = Agent(), Worker()
    begun, ended, idle, more = (worker.task(number) for number in range(4))
    gate.open.set()
    serving(mine, worker, ended, monkeypatch).join()
    gate.begun.clear()
    gate.open.clear()
    at_it = serving(mine, worker, begun, monkeypatch)
    assert gate.begun.wait(60)
    assert mine.recall([more, idle, begun, ended], 1) == [more]
    assert mine.recall([idle, begun, ended], 9) == [idle]
    gate.open.set()
    at_it.join()
    order = RemoteOrder(WIRE, "b", b"", None, 7, 2, b"", True, 0, None, 3.0, 5.0)
    monkeypatch.setattr(agent, "who_waits", lambda at_work: DaskOrderWaiter(worker, idle))
    monkeypatch.setattr(Agent, "run", None)  # nothing of it runs where Dask begins it all the same
    reply: RemoteReply = pickle.loads(mine.serve(order, 0.0))
    assert [(rest.start, rest.n_items, rest.wait) for rest in reply.rest] == [(7, 2, 3.0)]
