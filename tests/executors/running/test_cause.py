"""What an error of a batch is raised from, on every executor."""

from __future__ import annotations

import copyreg
import threading
from typing import Any

import pytest

import batchmill
from batchmill import BatchFailed, RemoteTraceback
from batchmill.executors.running.cause import Cause, cause_of
from batchmill.outcome import ErrorInfo

EXECUTORS = ["sequential", "thread", "process", "auto"]


class Coded(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class KeywordOnly(Exception):
    def __init__(self, *, left: int) -> None:
        super().__init__(f"left {left}")


class HoldsLock(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class Huge(Exception):
    pass


def raises(kind: str) -> Any:
    errors = {
        "value": lambda: ValueError("bad"),
        "coded": lambda: Coded(7),
        "keyword": lambda: KeywordOnly(left=3),
        "lock": HoldsLock,
        "huge": lambda: Huge("x" * (2 << 20)),
    }
    raise errors[kind]()


async def raises_later(kind: str) -> Any:
    return raises(kind)


def failed(function: Any, item: Any, **settings: Any) -> BatchFailed:
    with pytest.raises(BatchFailed) as caught:
        batchmill.map(function, [item], **settings)
    with pytest.raises(BatchFailed) as streamed:
        list(batchmill.imap(function, [item], **settings))
    for one in (caught.value, streamed.value):
        assert "test_cause.py:" in str(one)
    assert type(caught.value.__cause__) is type(streamed.value.__cause__)
    return caught.value


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("function", [raises, raises_later])
def test_it_is_the_exception_itself(function, executor):
    assert repr(failed(function, "value", executor=executor).__cause__) == "ValueError('bad')"
    cause = failed(function, "coded", executor=executor).__cause__
    assert (type(cause).__name__, cause.code) == ("Coded", 7)


def test_its_traceback_is_there_or_its_text_is():
    here = failed(raises, "value", executor="thread").__cause__
    assert here.__traceback__.tb_frame.f_code is raises.__code__
    there = failed(raises, "value", executor="process").__cause__
    assert isinstance(there.__cause__, RemoteTraceback)
    assert "in raises" in str(there.__cause__)


@pytest.mark.parametrize("kind", ["keyword", "lock", "huge"])
def test_one_that_does_not_travel_is_told_of_by_its_text(kind):
    cause = failed(raises, kind, executor="process").__cause__
    assert isinstance(cause, RemoteTraceback)
    assert "in raises" in str(cause)
    here = failed(raises, kind, executor="thread").__cause__
    assert not isinstance(here, RemoteTraceback)


@pytest.mark.parametrize("executor", ["sequential", "process"])
def test_where_failures_are_tolerated_the_text_will_do(executor):
    with pytest.raises(BatchFailed) as caught:
        batchmill.map(raises, ["value"], executor=executor, error_handling="continue", tolerate={"count": 0})
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "ValueError: bad" in str(caught.value.__cause__)


def test_of_what_has_no_traceback_there_is_none():
    assert cause_of(None) is None
    assert cause_of(ErrorInfo("WorkerDied", "gone", "worker_died")) is None


def test_an_exception_that_would_harm_at_unpickling_is_unpickled_by_nobody_but_who_asks():
    packed = Cause(KeywordOnly(left=1)).__reduce__()[1]
    assert Cause(*packed).exception() is None
    assert Cause(None).exception() is None
    again = Cause(*Cause(*Cause(Coded(3)).__reduce__()[1]).__reduce__()[1])  # through two processes
    assert repr(again.exception()) == "Coded(3)"


def test_what_tblib_registers_is_passed_over_and_what_the_user_registered_is_not(
    monkeypatch,
):
    def with_traceback(error):
        raise AssertionError("tblib takes along what may not travel")

    with_traceback.__module__ = "tblib.pickling_support"
    monkeypatch.setitem(copyreg.dispatch_table, Coded, with_traceback)
    assert repr(travelled(Coded(7))) == "Coded(7)"
    monkeypatch.setitem(copyreg.dispatch_table, KeywordOnly, lambda error: (Coded, (8,)))
    assert repr(travelled(KeywordOnly(left=1))) == "Coded(8)"


def travelled(error):
    return Cause(*Cause(error).__reduce__()[1]).exception()
