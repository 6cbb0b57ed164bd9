"""Functions as tasks of the engine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from batchmill.attempt import Attempt
from batchmill.concurrency.promises import KEPT_AS_THEY_ARE, awaits, kept, settled
from batchmill.errors import InvalidSetting
from batchmill.executors.contract import Task

T = TypeVar("T")
R = TypeVar("R")


class MakesTask(Protocol):
    """Things that ``map`` takes besides functions: a node, a flow."""

    def as_task(self) -> Task:
        """The task that runs it on one item."""


class FunctionTask(Task, Generic[T, R]):
    """A plain function as a task. Threads share it, as they would share any function."""

    share = True

    def __init__(self, function: Callable[[T], R]) -> None:
        self.function = function

    @property
    def only_function(self) -> Callable[[T], R]:
        """The function, if the task consists only of it."""
        return self.function

    def run(self, item: T, index: int, attempt: Attempt) -> Any:
        value = self.function(item)
        if type(value) in KEPT_AS_THEY_ARE:
            return value
        return kept(value, attempt.cancel, attempt.remaining())


class AsyncFunctionTask(FunctionTask[T, R]):
    """A function to be awaited; on threads, as many items at once in one event loop."""

    awaits = True

    def run(self, item: T, index: int, attempt: Attempt) -> Any:
        return kept(self.run_async(item, index, attempt), attempt.cancel, attempt.remaining())

    def run_async(self, item: T, index: int, attempt: Attempt) -> Coroutine[Any, Any, object]:
        """One attempt, to be awaited."""
        return settled(self.function(item))


class StarTask(FunctionTask[Any, R]):
    """A function that takes the parts of an item as its arguments."""

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        return kept(self.function(*item), attempt.cancel, attempt.remaining())


class AsyncStarTask(AsyncFunctionTask[Any, R]):
    """The same, to be awaited."""

    def run_async(self, item: Any, index: int, attempt: Attempt) -> Coroutine[Any, Any, object]:
        return settled(self.function(*item))


def as_star_task(function: object) -> Task:
    """The task of a function that is called with the parts of each item.

    Raises :class:`InvalidSetting` for anything that cannot be called."""
    if not callable(function):
        raise InvalidSetting(f"a function is needed, not {type(function).__name__}")
    return (AsyncStarTask if awaits(function) else StarTask)(function)


def as_task(function: object) -> Task:
    """The task of a function, or of an object that makes its own with ``as_task()``, such as a node.

    Raises :class:`InvalidSetting` for anything else."""
    make = getattr(function, "as_task", None)
    if callable(make) and isinstance(function, type):
        raise InvalidSetting(f"{function.__name__} is a class: give a node of it, {function.__name__}()")
    if callable(make):
        task: Task = make()
        return task
    if not callable(function):
        raise InvalidSetting(
            f"the first argument must be a function or a node, not {type(function).__name__}"
        )
    return (AsyncFunctionTask if awaits(function) else FunctionTask)(function)
