"""A Ctrl-C of the user and a KeyboardInterrupt of an item, in the main thread."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import batchmill
from batchmill.executors.local.ctrl_c import CtrlC


@pytest.fixture(autouse=True)
def handler():
    """Python's own, whatever the test runner has; the same one stands there afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def item(what):
    if what == "ctrl-c":
        os.kill(os.getpid(), signal.SIGINT)
        while True:  # it comes between two of these
            pass
    if what == "raises":
        raise KeyboardInterrupt("mine")
    return what


def test_one_that_an_item_raises_is_its_error():
    done = batchmill.map(item, ["raises", "b"], executor="sequential", error_handling="continue")
    assert [(error["type"], error["message"]) for error in done.errors] == [("KeyboardInterrupt", "mine")]
    assert list(done) == [None, "b"]


def test_a_ctrl_c_ends_the_program():
    with pytest.raises(KeyboardInterrupt):
        batchmill.map(item, ["a", "ctrl-c", "b"], executor="sequential", error_handling="continue")
    stream = batchmill.imap(item, ["a", "ctrl-c"], executor="sequential")
    assert next(stream) == "a"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # while nothing runs
    with pytest.raises(KeyboardInterrupt):
        next(stream)


def test_so_it_does_in_a_node_of_a_document():
    def run(text):
        return batchmill.run({"nodes": [{"id": "a", "type": "code", "params": {"code": text}}]})

    assert run("raise KeyboardInterrupt('mine')").errors[0]["message"] == "mine"
    with pytest.raises(KeyboardInterrupt):
        run("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass")


def test_a_handler_that_does_not_raise_is_called_and_ends_nothing():
    met = []
    signal.signal(signal.SIGINT, lambda *_: met.append("signal"))

    def signals(n):
        os.kill(os.getpid(), signal.SIGINT)
        while len(met) <= n:
            pass
        raise KeyboardInterrupt(n)

    done = batchmill.map(signals, [0, 1], executor="sequential", error_handling="continue")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert [error["message"] for error in done.errors] == ["0", "1"]
    assert met == ["signal", "signal"]


def test_a_handler_that_an_item_sets_stays():
    def sets(n):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return n

    assert list(batchmill.map(sets, [1, 2], executor="sequential")) == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_in_another_thread_nothing_is_touched():
    seen = []

    def look():
        with CtrlC() as ctrl_c:
            seen.append(signal.getsignal(signal.SIGINT))
            seen.append(ctrl_c.is_the_users(KeyboardInterrupt()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler, False]


def test_one_within_another():
    def inner(n):
        batchmill.map(item, ["ctrl-c"], executor="sequential", error_handling="continue")

    with pytest.raises(KeyboardInterrupt):
        batchmill.map(inner, [0], executor="sequential", error_handling="continue")
