"""What a brief item changes does not meet the next one, however quickly it was changed."""

from __future__ import annotations

import locale
import os
import pickle
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.executors.process import traces
from batchmill.executors.process.traces import WatchedVariables

cloudpickle.register_pickle_by_value(sys.modules[__name__])

FOLDER = 98  # a descriptor of the folder "/" in the worker
MANY = 1000


def open_a_folder(item: int) -> None:
    opened = os.open("/", os.O_RDONLY)
    os.dup2(opened, FOLDER)
    os.close(opened)


def close_the_folder(item: int) -> None:
    os.close(FOLDER)


# Each odd item looks at what the even one before it has changed as quickly as it can be changed.


def the_path(item: int) -> Any:
    if item % 2:
        return len(sys.path)
    sys.path.append("elsewhere")
    return None


def another_path(item: int) -> Any:
    if item % 2:
        return list(sys.path)
    sys.path = []
    return None


def a_variable(item: int) -> Any:
    if item % 2:
        return os.environ["HOME"]
    os.environ["HOME"] = "elsewhere"
    return None


def a_raw_variable(item: int) -> Any:
    if item % 2:
        return os.environ["HOME"]
    os.environ._data[b"HOME"] = b"elsewhere"  # type: ignore[attr-defined]
    return None


def other_variables(item: int) -> Any:
    if item % 2:
        return type(os.environ).__name__
    os.environ = {}  # type: ignore[assignment]  # noqa: B003
    return None


def the_recursion_limit(item: int) -> Any:
    if item % 2:
        return sys.getrecursionlimit()
    sys.setrecursionlimit(2345)
    return None


def the_filters(item: int) -> Any:
    if item % 2:
        return len(warnings.filters)
    warnings.filters.append(("ignore", None, Warning, None, 0))  # type: ignore[attr-defined]
    return None


def the_output(item: int) -> Any:
    if item % 2:
        return sys.stdout is None
    sys.stdout = None  # type: ignore[assignment]
    return None


def closed_output(item: int) -> Any:
    if item % 2:
        return sys.stdout.closed
    sys.stdout.close()
    return None


def the_folder(item: int) -> Any:
    if item % 2:
        return os.getcwd()
    os.chdir("/")
    return None


def the_folder_by_descriptor(item: int) -> Any:
    if item % 2:
        return os.getcwd()
    os.fchdir(FOLDER)
    return None


def a_handler(item: int) -> Any:
    if item % 2:
        return str(signal.getsignal(signal.SIGUSR1))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return None


def the_locale(item: int) -> Any:
    if item % 2:
        return locale.setlocale(locale.LC_NUMERIC)
    locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
    return None


CHANGES = [
    the_path,
    another_path,
    a_variable,
    a_raw_variable,
    other_variables,
    the_recursion_limit,
    the_filters,
    the_output,
    closed_output,
    the_folder,
    the_folder_by_descriptor,
    a_handler,
    the_locale,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_is_seen(change: Callable[[int], Any]) -> None:
    one: dict[str, Any] = {"executor": "process", "max_concurrent": 1}
    batchmill.map(open_a_folder, [0], **one)
    expected = batchmill.map(change, [1], **one)[0]
    seen = batchmill.map(change, range(2 * MANY), chunk_size=MANY, **one)
    batchmill.map(close_the_folder, [0], **one)
    assert list(seen)[1::2] == [expected] * MANY


@pytest.fixture
def variables() -> WatchedVariables:
    return WatchedVariables({b"a": b"1", b"b": b"2"})


def add_in_place(variables: WatchedVariables) -> None:
    variables |= {b"c": b"3"}


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.__setitem__(b"a", b"0"),
        lambda v: v.__delitem__(b"a"),
        lambda v: v.pop(b"a"),
        lambda v: v.popitem(),
        lambda v: v.clear(),
        lambda v: v.update({b"a": b"3"}),
        lambda v: v.update(a=b"3"),
        lambda v: v.setdefault(b"c", b"3"),
        add_in_place,
    ],
)
def test_each_way_to_change_a_variable_is_noticed(
    variables: WatchedVariables, change: Callable[[WatchedVariables], object]
) -> None:
    before = dict(variables)
    change(variables)
    assert variables != before
    assert variables.touched


def test_reading_variables_changes_nothing(variables: WatchedVariables) -> None:
    assert (variables[b"a"], variables.get(b"x"), list(variables), len(variables)) == (
        b"1",
        None,
        [b"a", b"b"],
        2,
    )
    assert not variables.touched


def test_variables_travel_as_plain_ones(variables: WatchedVariables) -> None:
    assert type(pickle.loads(pickle.dumps(variables))) is dict


def uses_its_variables(item: int) -> tuple[str, str | None, bool]:
    os.environ["BATCHMILL_HERE"] = "yes"
    command = [sys.executable, "-c", "import os; print(os.environ['BATCHMILL_HERE'])"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return told, os.getenv("BATCHMILL_HERE"), os.environb[b"BATCHMILL_HERE"] == b"yes"


def test_an_item_uses_its_variables_as_ever() -> None:
    done = batchmill.map(uses_its_variables, [0, 1], executor="process", max_concurrent=1)
    assert list(done) == [("yes", "yes", True)] * 2


def test_the_bound_only_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_ALL", False)
    monkeypatch.setattr(traces, "_least", 1e-12)
    assert traces.brief_seconds(lambda: False) <= 1e-12
    monkeypatch.setattr(traces, "_least", 1e9)
    assert 0 < traces.brief_seconds(lambda: False) < 1e9
    monkeypatch.setattr(traces, "_ALL", True)
    assert traces.brief_seconds(lambda: False) == 0.0
