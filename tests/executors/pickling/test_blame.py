"""Finding the part of a value that an operation fails on."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from batchmill.executors.pickling.blame import blame
from batchmill.executors.pickling.pickler import dumps


class Plain:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def method(self) -> None: ...


class Slotted:
    __slots__ = ("inner", "unset")

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


LOCK = threading.Lock()


def uses_a_global() -> None:
    with LOCK:
        pass


def closure() -> Callable[[], Any]:
    guard = {"deep": [LOCK]}
    return lambda: guard


CASES: dict[str, tuple[Any, str]] = {
    "itself": (LOCK, "value (_thread.lock)"),
    "mapping": ({"a": 1, "b": {"c": LOCK}}, "value['b']['c'] (_thread.lock)"),
    "sequence": ([1, (2, LOCK)], "value[1][1] (_thread.lock)"),
    "attributes": (Plain(ok=1, inner=Plain(lock=LOCK)), "value.inner.lock (_thread.lock)"),
    "slots": (Slotted([LOCK]), "value.inner[0] (_thread.lock)"),
    "bound method": (Plain(lock=LOCK).method, "value.__self__.lock (_thread.lock)"),
    "partial": (functools.partial(print, LOCK), "value.args[0] (_thread.lock)"),
    "closure": (closure(), "value uses guard['deep'][0] (_thread.lock)"),
}


def pickle_it(value: Any) -> None:
    dumps(value, [])


@pytest.mark.parametrize("case", CASES)
def test_it_names_the_smallest_part(case: str) -> None:
    value, path = CASES[case]
    assert blame(value, pickle_it) == path


def test_the_root_has_the_name_it_is_given() -> None:
    assert blame([LOCK], pickle_it, root="item") == "item[0] (_thread.lock)"


def test_a_value_that_contains_itself_is_no_endless_search() -> None:
    knot: list[Any] = [LOCK]
    knot.insert(0, knot)
    assert blame(knot, pickle_it) == "value[1] (_thread.lock)"


def test_a_value_that_resists_being_looked_into_is_named_whole() -> None:
    assert "Hostile" in blame(Hostile(), pickle_it)
    assert "Hostile" in blame([Hostile()], pickle_it)


def test_deep_values_are_searched_to_a_depth() -> None:
    value: Any = LOCK
    for _ in range(50):
        value = [value]
    assert blame(value, pickle_it).endswith("(builtins.list)")
