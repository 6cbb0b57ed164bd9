"""Ctrl-C while the caller's thread sends the first chunks of a batch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

import batchmill
from batchmill.executors.process.message_pipe import MessagePipe
from batchmill.executors.process.pool import shared_pool
from batchmill.executors.process.slot import Slot


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises, whatever the tests before have set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("place", [(Slot, "send"), (MessagePipe, "send")], ids=["given", "written"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_batch_ends_and_no_worker_is_kept(
    place: tuple[type, str], when: str, monkeypatch: pytest.MonkeyPatch, soon: Any
) -> None:
    assert batchmill.map(abs, [-1], executor="process", max_concurrent=1) == [1]
    assert soon(lambda: not shared_pool().in_use())
    send = getattr(*place)

    def press_and_send(*given: Any) -> None:
        if when == "before":
            signal.raise_signal(signal.SIGINT)
        send(*given)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(*place, press_and_send)
        with pytest.raises(KeyboardInterrupt):
            batchmill.map(abs, [-2], executor="process", max_concurrent=1)
    assert soon(lambda: not shared_pool().in_use())
    assert batchmill.map(abs, [-3], executor="process", max_concurrent=1) == [3]
