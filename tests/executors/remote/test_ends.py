"""What the ends of Dask's tasks mean: every status of a future is one of ours."""

from __future__ import annotations

import contextlib
import gc
import pickle
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from batchmill.errors import ClusterLost, ExecutorUnavailable
from batchmill.executors.remote.contract import Gone, Lost

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

import dask
import distributed

from batchmill.executors.remote import dask_carrier, dask_orders
from batchmill.executors.remote.dask_side import topic_of

pytestmark = pytest.mark.dask


class Client:
    """Does what a connected client does, as far as the carrier looks."""

    workers: ClassVar[dict[str, Any]] = {"tls://a": {"nthreads": 2, "last_seen": 1.0}}

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": self.workers}

    def processing(self, workers: list[str]) -> dict[str, list[str]]:
        return {address: [self.future.key] for address in workers}

    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []  # the options of each task

    def subscribe_topic(self, topic: str, heard: Any) -> None:
        self.topics[topic] = heard

    def heard(self, event: Any) -> None:
        self.topics["all"](event)

    def submit(self, *_: Any, key: str, **options: Any) -> Future:
        self.asked.append(options)
        self.future = Future(key)
        return self.future

    def close(self, timeout: float) -> None: ...


class Future:
    """A task of which a test decides how it ends."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.status = "pending"
        self.released = False

    def add_done_callback(self, call: Any) -> None:
        self.call = call

    def result(self, timeout: float) -> bytes:
        return b"reply"

    def exception(self) -> BaseException:
        return ModuleNotFoundError("No module named 'batchmill'")

    def release(self) -> None:
        self.released = True

    def cancel(self, force: bool) -> None:
        self.end("cancelled")

    def end(self, status: str) -> None:
        self.status = status
        self.call(self)


@pytest.mark.parametrize(
    "address", ["tls://127.0.0.1", "tls://127.0.0.1:port", "https://127.0.0.1:8786", "inproc://1"]
)
def test_an_address_that_cannot_be_used_is_refused_at_once(address: str) -> None:
    with pytest.raises(ExecutorUnavailable, match=r"cannot be used: .*; write it as tls://host:port"):
        dask_carrier.connect(address)


def test_a_client_that_cannot_connect_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    monkeypatch.setattr(distributed.Client, "close", lambda self, *_, **__: closed.append(self))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            dask.config.set({"distributed.comm.require-encryption": True}),
            pytest.raises(ExecutorUnavailable, match="encryption required by Dask configuration"),
        ):
            dask_carrier.connect(address)
    gc.collect()
    assert closed == []


class Ends(list[Any]):
    """The ends of orders, and in ``workers`` those that they came from."""

    def __init__(self) -> None:
        self.workers: list[str] = []

    def end(self, end: Any, worker: str = "") -> None:
        self.append(end)
        self.workers.append(worker)


@contextlib.contextmanager
def connected(client: Client | None = None) -> Iterator[tuple[Client, dask_carrier.DaskCarrier, Ends]]:
    """A client, the carrier that it connects, and a list for the ends of orders."""
    client = client or Client()
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        yield client, carrier, Ends()
    finally:
        carrier.close()


@pytest.mark.parametrize(
    ("status", "end", "gone"),
    [
        ("finished", b"reply", False),
        ("lost", Lost("one that had a result"), False),
        ("pending", Lost("one that had a result"), False),
        ("cancelled", Gone("its scheduler is not there any more"), True),
    ],
)
def test_each_status_has_its_end(status: str, end: Any, gone: bool) -> None:
    with connected() as (client, carrier, ends):
        carrier.send(b"order", ends.end)
        client.future.end(status)
        assert ends == [end]
        assert client.future.released
        assert carrier.gone is gone


def test_a_worker_without_batchmill_can_run_nothing() -> None:
    with connected() as (client, carrier, ends):
        carrier.send(b"order", ends.end)
        client.future.end("error")
        reply = pickle.loads(ends[0])
        assert (reply.status, reply.host, ends.workers) == ("unable", "tls://a", ["tls://a"])
        assert "batchmill cannot be imported there" in reply.reason


def test_an_order_avoids_workers_that_can_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = {f"tls://{name}": {"nthreads": 2, "last_seen": 1.0} for name in "abc"}
    monkeypatch.setattr(Client, "workers", workers)
    with connected() as (client, carrier, ends):
        for _ in range(6):
            carrier.send(b"order", ends.end, {"tls://a", "tls://c"})
        assert {options["workers"][0] for options in client.asked} == {"tls://b"}
        assert carrier.seats({"tls://a", "tls://c"}) == 2


def test_a_lost_worker_gives_back_what_it_had_and_the_scheduler_is_not_lost(soon: Any) -> None:
    with connected() as (client, carrier, ends):
        carrier.send(b"order", ends.end)
        told = {"action": "remove-worker", "worker": "tls://a", "expected": False}
        client.heard((0.0, {**told, "processing-tasks": {client.future.key: 1}}))
        assert ends == [Lost("tls://a")]
        assert soon(lambda: client.future.status == "cancelled")
        assert not carrier.gone
        assert len(ends) == 1


LEAVING = {"action": "remove-worker", "worker": "tls://a", "expected": True}


@pytest.mark.parametrize(
    ("reply", "end"), [(b"what it has", b"what it has"), (None, Lost("tls://a", expected=True))]
)
def test_a_worker_that_was_asked_to_leave_hands_in_what_it_has(reply: Any, end: Any, soon: Any) -> None:
    with connected() as (client, carrier, ends):
        carrier.send(b"order", ends.end)
        order = client.future.key
        assert client.asked[0]["workers"] == ["tls://a"]
        assert not client.asked[0]["allow_other_workers"]
        client.heard((0.0, {**LEAVING, "processing-tasks": {order: 1}}))
        assert (ends, carrier.seats()) == ([], 0)
        for _ in range(2):  # the second one comes to nothing
            client.topics[topic_of(order)]((0.0, {"order": order, "reply": reply}))
        assert soon(lambda: ends)
        assert soon(lambda: client.future.status == "cancelled")
        assert ends == [end]


def test_a_worker_that_leaves_and_hands_in_nothing_is_not_waited_for_too_long(
    monkeypatch: pytest.MonkeyPatch, soon: Any
) -> None:
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(dask_orders, "LEFT_SECONDS", 0.1)
    with connected() as (client, carrier, ends):
        carrier.send(b"order", ends.end)
        monkeypatch.setattr(client, "workers", {})
        client.heard((0.0, {**LEAVING, "processing-tasks": {client.future.key: 1}}))
        assert soon(lambda: ends)
        assert ends == [Lost("tls://a", expected=True)]


def test_an_order_goes_to_the_worker_with_the_fewest_for_its_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = {f"tls://{n}": {"nthreads": n, "last_seen": 1.0} for n in (1, 3)}
    monkeypatch.setattr(Client, "workers", workers)
    with connected() as (client, carrier, _):
        for _ in range(8):
            carrier.send(b"order", Ends().end)
        sent = Counter(options["workers"][0] for options in client.asked)
        assert sent == {"tls://1": 2, "tls://3": 6}


def test_help_goes_to_the_worker_of_an_order_and_only_to_a_free_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = {f"tls://{n}": {"nthreads": n, "last_seen": 1.0} for n in (1, 2)}
    monkeypatch.setattr(Client, "workers", workers)
    with connected() as (client, carrier, _):
        first, other = carrier.send(b"order", Ends().end), carrier.send(b"order", Ends().end)
        assert (first.worker, other.worker) == ("tls://2", "tls://1")
        assert carrier.beside(other, b"help", Ends().end) is None
        helper = carrier.beside(first, b"help", Ends().end)
        assert helper is not None
        assert helper.worker == "tls://2"
        assert client.asked[-1]["workers"] == ["tls://2"]
        assert carrier.beside(first, b"help", Ends().end) is None
        helper.drop()
        first.drop()
        assert carrier.beside(first, b"help", Ends().end) is None  # it is no longer out
        assert len(client.asked) == 3


def test_what_a_silent_worker_has_is_lost(monkeypatch: pytest.MonkeyPatch, soon: Any) -> None:
    monkeypatch.setattr(dask_carrier, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    with connected() as (_, carrier, ends):
        carrier.send(b"order", ends.end)
        assert soon(lambda: ends)
        assert ends == [Lost("tls://a, silent for 0.02 s")]
        assert soon(lambda: carrier.seats() == 0)
        assert not carrier.gone


def test_a_silent_scheduler_is_lost_with_all_orders(monkeypatch: pytest.MonkeyPatch, soon: Any) -> None:
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    silence = threading.Event()
    with connected() as (client, carrier, ends), contextlib.ExitStack() as at_the_end:
        at_the_end.callback(silence.set)
        carrier.send(b"order", ends.end)
        monkeypatch.setattr(dask_carrier, "SILENT_SECONDS", 0.02)
        monkeypatch.setattr(client, "scheduler_info", lambda n_workers: silence.wait(20))
        assert soon(lambda: ends)
        assert ends == [Gone("its scheduler has not answered for 0.02 s")]
        assert carrier.gone
        with pytest.raises(ClusterLost):
            carrier.send(b"order", ends.end)


def test_orders_that_wait_at_a_slow_worker_go_to_others(monkeypatch: pytest.MonkeyPatch, soon: Any) -> None:
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(dask_orders, "WAITED_SECONDS", 0.0)
    monkeypatch.setattr(dask_carrier, "RecallCall", lambda names, most: (names, most))
    ends, asked = {}, []

    def run(_: Any, told: bytes, *, workers: list[str], on_error: str) -> dict[str, list[str]]:
        names, most = pickle.loads(told)
        asked.append(workers)
        return {workers[0]: names[:most]}

    workers = {f"tls://{name}": {"nthreads": 1, "last_seen": 1.0} for name in "ab"}
    client = Client()
    monkeypatch.setattr(client, "workers", workers, raising=False)
    monkeypatch.setattr(client, "run", run, raising=False)
    with connected(client) as (_, carrier, _):
        sent = [
            carrier.send(b"order", lambda end, worker="", number=number: ends.update({number: end}))
            for number in range(4)
        ]
        assert asked == []  # one has as much to do as the other
        at_b = [one for one in sent if one.worker == "tls://b"]
        assert len(at_b) == 2
        for one in at_b:
            carrier._orders.take(one.name)
        assert soon(lambda: ends)
        last = max(number for number, one in enumerate(sent) if one.worker == "tls://a")
        assert ends == {last: Lost("tls://a", expected=True)}  # the other one has a seat
        assert asked[0] == ["tls://a"]
