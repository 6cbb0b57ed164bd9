"""What cannot travel between processes is an error of its item that names the attribute at fault."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.executors import contract
from batchmill.policy import FailurePolicy

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONTINUE: dict[str, Any] = {"executor": "process", "error_handling": "continue", "max_concurrent": 2}


class Holder:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


class RefusesWith:
    """Raises an error of class ``kind`` when it is pickled."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        raise self.kind("will not")


class BreaksUnpickling:
    """Raises when it is unpickled in another process than its own."""

    def __init__(self) -> None:
        self.home = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["home"] != os.getpid():
            raise RuntimeError("not here")
        self.__dict__.update(state)


class TwoArguments(Exception):
    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        self.code = code
        super().__init__()

    def __str__(self) -> str:
        return f"code {self.code}"


class HoldsLock(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OddText(Exception):
    def __str__(self) -> Any:
        return 7


def kind_of(item: Any) -> str:
    return type(item).__name__


def make(number: int) -> Any:
    """Results of all sorts; the even ones are fine."""
    if number % 2 == 0:
        return number
    local = threading.local()
    return {
        1: Holder(name="x", inner={"locks": [1, threading.Lock()]}),
        3: socket.socket(),
        5: threading.Event(),
        7: RefusesWith(ValueError),
        9: Holder(local=local),
        11: RefusesWith(KeyboardInterrupt),
        13: sys._getframe(),
        15: RefusesWith(SystemExit),
    }[number]


def recursive_cause() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def local_class() -> Exception:
    class Local(Exception):
        pass

    return Local("local")


def holds_a_socket() -> Exception:
    error = OSError("holds a socket")
    error.socket = socket.socket()  # type: ignore[attr-defined]  # what clients do to their errors
    error.socket.close()  # type: ignore[attr-defined]  # same
    return error


def group() -> BaseException:
    return ExceptionGroup("several", [ValueError(1), ExceptionGroup("inner", [TypeError("two")])])


RAISED: dict[str, tuple[Callable[[], BaseException], str, str]] = {
    "two arguments": (lambda: TwoArguments("hole", "bucket"), "TwoArguments", "hole in bucket"),
    "keyword only": (lambda: KeywordOnly(code=4), "KeywordOnly", "code 4"),
    "lock": (HoldsLock, "HoldsLock", "holds a lock"),
    "socket": (holds_a_socket, "OSError", "holds a socket"),
    "local class": (local_class, "Local", "local"),
    "recursive cause": (recursive_cause, "ValueError", "first"),
    "no text": (NoText, "NoText", "(NoText whose text cannot be made: RuntimeError)"),
    "odd text": (OddText, "OddText", "(OddText whose text cannot be made: TypeError)"),
    "BaseException": (lambda: BaseException("base"), "BaseException", "base"),
    "StopIteration": (lambda: StopIteration(3), "StopIteration", "3"),
    "StopAsyncIteration": (lambda: StopAsyncIteration(3), "StopAsyncIteration", "3"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt", ""),
    "GeneratorExit": (GeneratorExit, "GeneratorExit", ""),
    "ExceptionGroup": (group, "ExceptionGroup", "several (2 sub-exceptions)"),
    "RecursionError": (lambda: RecursionError("deep"), "RecursionError", "deep"),
    "MemoryError": (lambda: MemoryError("much"), "MemoryError", "much"),
    "long message": (lambda: ValueError("x" * 10**6), "ValueError", "characters left out"),
}


def raising(item: str | int) -> int:
    if isinstance(item, str):
        error = RAISED[item][0]()
        try:
            raise error
        finally:
            del error
    return item


def test_an_argument_that_cannot_travel(settled: Any) -> None:
    items: list[Any] = list(range(9))
    items[4] = Holder(settings={"guard": threading.Lock()})
    result = batchmill.map(kind_of, items, **CONTINUE)
    (error,) = result.errors
    assert (error["index"], error["kind"], error["type"]) == (4, "not_picklable", "NotPicklable")
    assert ".settings['guard'] (_thread.lock)" in error["message"]
    assert error["item"] is items[4]
    settled(result, items, ["int"] * 9)


@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit, StopIteration])
def test_an_argument_whose_pickling_raises(kind: type[BaseException], settled: Any) -> None:
    items: list[Any] = [0, RefusesWith(kind), 2, 3]
    result = batchmill.map(kind_of, items, **CONTINUE)
    assert [(e["index"], e["kind"]) for e in result.errors] == [(1, "not_picklable")]
    settled(result, items, ["int"] * 4)


def test_an_argument_that_cannot_be_unpacked(settled: Any) -> None:
    items: list[Any] = list(range(9))
    items[6] = BreaksUnpickling()
    result = batchmill.map(kind_of, items, chunk_size=3, **CONTINUE)
    (error,) = result.errors
    assert (error["index"], error["kind"]) == (6, "not_picklable")
    assert "RuntimeError: not here" in error["message"]
    settled(result, items, ["int"] * 9)


class Chain(contract.Task):
    """A task with something in it."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        return item


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (threading.Lock(), ".part (_thread.lock)"),
        ([{"here": threading.Lock()}], ".part[0]['here'] (_thread.lock)"),
        (RefusesWith(ValueError), "ValueError: will not"),
    ],
)
def test_a_chain_that_cannot_travel_fails_every_item_and_says_why(
    part: Any, named: str, settled: Any
) -> None:
    result = run_batch(Chain(part), range(5), BatchSettings("process", failures=FailurePolicy(False)))
    assert [error["kind"] for error in result.errors] == ["not_picklable"] * 5
    assert named in result.errors[0]["message"]
    settled(result, range(5), range(5))


def test_a_function_that_cannot_travel_names_what_it_uses() -> None:
    guard = threading.Lock()

    def guarded(item: int) -> int:
        with guard:
            return item

    result = batchmill.map(guarded, range(3), **CONTINUE)
    assert [error["kind"] for error in result.errors] == ["not_picklable"] * 3
    assert "uses guard (_thread.lock)" in result.errors[0]["message"]


def test_a_chain_that_cannot_be_unpacked_fails_every_item(settled: Any) -> None:
    settings = BatchSettings("process", 2, failures=FailurePolicy(False))
    result = run_batch(Chain(BreaksUnpickling()), range(5), settings)
    assert [error["kind"] for error in result.errors] == ["not_picklable"] * 5
    assert "not here" in result.errors[0]["message"]
    settled(result, range(5), range(5))


@pytest.mark.parametrize("size", [None, 16])
def test_results_that_cannot_travel(size: int | None, settled: Any) -> None:
    items = range(16)
    result = batchmill.map(make, items, chunk_size=size, **CONTINUE)
    assert [(e["index"], e["kind"], e["attempts"]) for e in result.errors] == [
        (number, "not_picklable", 1) for number in range(1, 16, 2)
    ]
    assert ".inner['locks'][1] (_thread.lock)" in result.errors[0]["message"]
    assert "ValueError: will not" in result.errors[3]["message"]
    settled(result, items, items)


def test_whatever_is_raised_is_described_the_same_everywhere(settled: Any) -> None:
    items: list[Any] = [part for pair in zip(RAISED, range(len(RAISED)), strict=True) for part in pair]
    seen = {}
    for executor in ("thread", "process"):
        result = batchmill.map(raising, items, executor=executor, error_handling="continue", max_concurrent=2)
        seen[executor] = result.errors
        assert [e["index"] for e in result.errors] == list(range(0, len(items), 2))
        for error in result.errors:
            _, name, message = RAISED[error["item"]]
            assert (error["type"], error["kind"]) == (name, "exception")
            assert message in error["message"]
            assert len(error["message"]) < 11_000
        settled(result, items, items, executor)
    assert seen["thread"] == seen["process"]


def test_records_that_cannot_travel_are_an_error_of_their_item(settled: Any) -> None:
    result = run_batch(RecordsLocks(), range(6), BatchSettings("process", 2, failures=FailurePolicy(False)))
    assert [(e["index"], e["kind"]) for e in result.errors] == [(3, "not_picklable")]
    assert "record" in result.errors[0]["message"]
    settled(result, range(6), range(6))


class RecordsLocks(contract.Task):
    def run(self, item: int, index: int, attempt: Attempt) -> int:
        attempt.recorder.append(threading.Lock() if item == 3 else item)
        return item


def of_bytes(count: int) -> bytes:
    return b"\xab" * count


def test_results_larger_than_the_shared_area(settled: Any) -> None:
    sizes = [0, 100, 200_000, 300_000, 5 << 20, 30 << 20, 17]
    result = batchmill.map(of_bytes, sizes, **CONTINUE)
    settled(result, sizes, [b"\xab" * size for size in sizes])


@pytest.mark.slow
def test_a_result_of_two_hundred_megabytes(settled: Any) -> None:
    sizes = [200 << 20, 1, 200 << 20]
    result = batchmill.map(of_bytes, sizes, **CONTINUE)
    assert [len(value or b"") for value in result] == sizes
    settled(result, sizes, list(result))


def length(item: bytes) -> int:
    return len(item)


def test_arguments_larger_than_the_shared_area(settled: Any) -> None:
    items = [b"\xab" * size for size in (0, 200_000, 300_000, 20 << 20)]
    result = batchmill.map(length, items, **CONTINUE)
    settled(result, items, [len(item) for item in items])


class BreaksHere:
    """A result that unpickles anywhere but where it is wanted; ``how`` says in which operation it breaks."""

    def __init__(self, home: int, how: str) -> None:
        self.home, self.how = home, how

    def __reduce__(self) -> Any:
        if self.how == "made":
            return _made, (self.home,)
        if self.how == "filled":
            return BreaksHere, (self.home, "made"), {"home": self.home}
        return Odd, (self.home,), None, iter([1, 2])

    def __setstate__(self, state: dict[str, Any]) -> None:
        _made(state["home"])


class Odd(list[int]):
    def __init__(self, home: int) -> None:
        self.home = home

    def extend(self, values: Any) -> None:
        _made(self.home)

    append = extend


def _made(home: int) -> int:
    if home == os.getpid():
        raise RuntimeError("not here")
    return 1


def result_of(item: tuple[int, int]) -> Any:
    index, home = item
    how = {3: "made", 7: "filled", 11: "extended"}.get(index)
    good = {"index": index, "bytes": bytes(2000)}
    return good if how is None else {"deep": [(good, BreaksHere(home, how))]}


@pytest.mark.parametrize("padding", [0, 3_000_000])
def test_a_result_that_does_not_unpickle_in_the_parent_costs_one_item(padding: int) -> None:
    def call(item: tuple[int, int]) -> Any:
        return result_of(item), bytes(padding if item[0] == 3 else 0)

    done = batchmill.map(call, [(index, os.getpid()) for index in range(30)], **CONTINUE)
    assert [(error["index"], error["type"], error["kind"]) for error in done.errors] == [
        (index, "NotPicklable", "not_picklable") for index in (3, 7, 11)
    ]
    assert all("does not unpickle in the main process" in error["message"] for error in done.errors)
    assert "not here" in done.errors[0]["message"]
    for index, value in enumerate(done.values):
        assert value is None or value[0]["index"] == index
