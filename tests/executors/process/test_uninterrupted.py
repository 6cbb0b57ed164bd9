"""Signals wait while something must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from batchmill.executors.process.uninterrupted import Uninterrupted


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    handler = signal.signal(signal.SIGINT, before)
    assert handler is signal.default_int_handler


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupted(body: Callable[[Uninterrupted], object]) -> None:
    """Run ``body`` uninterrupted, until Ctrl-C is met."""

    def run() -> None:
        with Uninterrupted() as signals:
            body(signals)

    with pytest.raises(KeyboardInterrupt):
        run()


def test_ctrl_c_waits_for_the_end() -> None:
    done = []

    def body(_: Uninterrupted) -> None:
        press()
        done.append(1)

    interrupted(body)
    assert done == [1]


def test_ctrl_c_pressed_again_does_not_wait() -> None:
    done = []

    def body(_: Uninterrupted) -> None:
        press()
        press()
        done.append(1)

    interrupted(body)
    assert done == []


def test_what_was_delayed_is_met_where_it_may_be() -> None:
    done = []

    def body(signals: Uninterrupted) -> None:
        press()
        done.append("delayed")
        with signals.interruptible():
            done.append("not met")

    interrupted(body)
    assert done == ["delayed"]


def test_a_signal_that_is_met_there_leaves_the_next_delayed() -> None:
    done = []

    def body(signals: Uninterrupted) -> None:
        try:
            with signals.interruptible():
                press()
                done.append("not met")
        finally:
            press()
            done.append("delayed")

    interrupted(body)
    assert done == ["delayed"]


def test_each_of_several_signals_has_its_handler_called() -> None:
    met: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: met.append(number))

    def body(_: Uninterrupted) -> None:
        signal.raise_signal(signal.SIGUSR1)
        press()
        met.append(0)

    try:
        interrupted(body)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert met == [0, signal.SIGUSR1]


def test_a_handler_that_was_set_meanwhile_stays() -> None:
    def other(number: int, frame: object) -> None:
        pass

    with Uninterrupted():
        signal.signal(signal.SIGINT, other)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is other


def test_another_thread_leaves_signals_alone() -> None:
    seen = []

    def look() -> None:
        with Uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(30)
    assert seen == [signal.default_int_handler]
