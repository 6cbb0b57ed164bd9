"""What the ends of Dask's tasks mean: every status of a future is one of ours."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from batchmill.errors import ClusterLost
from batchmill.executors.remote.contract import Gone, Lost

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

from batchmill.executors.remote import dask_carrier

pytestmark = pytest.mark.dask


class Client:
    """Does what a connected client does, as far as the carrier looks."""

    workers: ClassVar[dict[str, Any]] = {"tls://a": {"nthreads": 2, "last_seen": 1.0}}

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": self.workers}

    def processing(self, workers: list[str]) -> dict[str, list[str]]:
        return {address: [self.future.key] for address in workers}

    def subscribe_topic(self, topic: str, heard: Any) -> None:
        self.heard = heard

    def submit(self, *_: Any, key: str, **__: Any) -> Future:
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
    ("status", "end", "gone"),
    [
        ("finished", b"reply", False),
        ("lost", Lost("one that had a result"), False),
        ("pending", Lost("one that had a result"), False),
        ("cancelled", Gone("its scheduler is not there any more"), True),
    ],
)
def test_each_status_has_its_end(status: str, end: Any, gone: bool) -> None:
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        carrier.send(b"order", ends.append)
        client.future.end(status)
        assert ends == [end]
        assert client.future.released
        assert carrier.gone is gone
    finally:
        carrier.close()


def test_a_worker_without_batchmill_is_told_of() -> None:
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        carrier.send(b"order", ends.append)
        client.future.end("error")
        assert "batchmill cannot be imported by its workers" in ends[0].reason
    finally:
        carrier.close()


def test_a_lost_worker_gives_back_what_it_had_and_the_scheduler_is_not_lost(soon: Any) -> None:
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        carrier.send(b"order", ends.append)
        told = {"action": "remove-worker", "worker": "tls://a", "expected": False}
        client.heard((0.0, {**told, "processing-tasks": {client.future.key: 1}}))
        assert ends == [Lost("tls://a")]
        assert soon(lambda: client.future.status == "cancelled")
        assert not carrier.gone
        assert len(ends) == 1
    finally:
        carrier.close()


def test_a_worker_that_was_asked_to_leave_keeps_its_orders_with_dask() -> None:
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        carrier.send(b"order", ends.append)
        told = {"action": "remove-worker", "worker": "tls://a", "expected": True}
        client.heard((0.0, {**told, "processing-tasks": {client.future.key: 1}}))
        assert ends == []
    finally:
        carrier.close()


def test_what_a_silent_worker_has_is_lost(monkeypatch: pytest.MonkeyPatch, soon: Any) -> None:
    monkeypatch.setattr(dask_carrier, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    try:
        carrier.send(b"order", ends.append)
        assert soon(lambda: ends)
        assert ends == [Lost("tls://a, silent for 0.02 s")]
        assert soon(lambda: carrier.seats() == 0)
        assert not carrier.gone
    finally:
        carrier.close()


def test_a_silent_scheduler_is_lost_with_all_orders(monkeypatch: pytest.MonkeyPatch, soon: Any) -> None:
    monkeypatch.setattr(dask_carrier, "LOOK_SECONDS", 0.01)
    client, ends = Client(), []
    carrier = dask_carrier.DaskCarrier(client, None)
    silence = threading.Event()
    try:
        carrier.send(b"order", ends.append)
        monkeypatch.setattr(dask_carrier, "SILENT_SECONDS", 0.02)
        monkeypatch.setattr(client, "scheduler_info", lambda n_workers: silence.wait(20))
        assert soon(lambda: ends)
        assert ends == [Gone("its scheduler has not answered for 0.02 s")]
        assert carrier.gone
        with pytest.raises(ClusterLost):
            carrier.send(b"order", ends.append)
    finally:
        silence.set()
        carrier.close()
