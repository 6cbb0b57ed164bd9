"""Limits of items that run on a cluster: warm workers before the first start, and limits that adapt."""

from __future__ import annotations

import itertools
import pickle
import threading
from collections.abc import Callable, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import batchmill
from batchmill.events import LimitChanged
from batchmill.executors.contract import Chunk
from batchmill.executors.remote.contract import Done, End, RemoteOrder
from batchmill.executors.remote.futures import FutureTicket, LoopCarrier
from batchmill.executors.remote.order_channel import OrderChannel


class Holding(LoopCarrier):
    """Keeps the ends of orders without items until it is told to hand them over."""

    def __init__(self) -> None:
        super().__init__(2)
        self.sizes: list[int] = []
        self.go = threading.Event()

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> FutureTicket:
        told: RemoteOrder = pickle.loads(order)
        self.sizes.append(told.n_items)
        return super().send(order, done if told.n_items else self._held(done), without)

    def _held(self, done: Done) -> Done:
        def ended(end: End, worker: str = "") -> None:
            assert self.go.wait(60)
            done(end, worker)

        return ended


def test_items_whose_starts_are_limited_wait_for_warm_workers(use: Any, soon: Callable[..., bool]) -> None:
    carrier = use(Holding())
    results: list[Any] = []
    limit = {"per_second": 1000}
    running = threading.Thread(
        target=lambda: results.extend(batchmill.map(abs, range(6), executor="dask", rate_limit=limit))
    )
    running.start()
    assert soon(lambda: carrier.sizes == [0, 0])
    carrier.go.set()
    running.join()
    assert results == list(range(6))
    assert carrier.sizes[:2] == [0, 0]
    assert sum(carrier.sizes) == 6


def test_an_order_without_items_ends_when_a_worker_has_taken_it() -> None:
    channel = OrderChannel(Chunk(0, ()), 5.0, alone=False, by_attempt=True)
    assert channel.more()  # until then its batch goes on
    chunk = channel.take(1, 1)
    assert chunk is not None
    assert len(chunk) == 0
    assert list(channel.blocks()) == []
    assert channel.rest() == []


class Service(BaseHTTPRequestHandler):
    """Refuses every tenth request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        number = next(self.server.numbers)  # type: ignore[attr-defined]  # see the fixture
        self.send_response(429 if number % 10 == 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def service() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.numbers = itertools.count(1)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.dask
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of sockets, as Dask ends
@pytest.mark.parametrize("limit", ["auto", "1-2-4"])
def test_limits_adapt_to_what_separate_workers_are_told(separate: Any, service: Any, limit: str) -> None:
    url = f"http://127.0.0.1:{service.server_port}/"
    batch = {"items": {"range": [0, 60]}, "executor": "dask", "max_concurrent": limit, "max_retries": 5}
    node = {"id": "ask", "type": "http", "params": {"url": url}, "batch": batch}
    told: list[Any] = []
    done = batchmill.run({"ir_version": "0.1.0", "nodes": [node]}, listeners=[told.append])
    assert done.status == "success", done.errors[:1]
    assert next(service.numbers) == 60 + 6 + 1  # each refusal costs one request, and no item
    reasons = [event.reason for event in told if isinstance(event, LimitChanged)]
    assert any(reason.startswith("refused") for reason in reasons), reasons
