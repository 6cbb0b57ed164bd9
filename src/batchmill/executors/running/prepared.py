"""A task with a setup that runs once in each worker before its first item, such as loading a model."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import InitializerFailed
from batchmill.executors.contract import Task
from batchmill.executors.describe import text_of
from batchmill.executors.pickling.copying import copy_task


class Prepared(Task):
    """``task`` behind ``initializer(*arguments)``, which is called once for each copy of this object: in each
    worker thread or worker process, and once if items run in the caller's thread or on one event loop. Its
    time is charged to no item.

    ``batch`` makes the jobs of two batches differ, so a worker process that is kept is set up again for each.
    """

    def __init__(self, task: Task, initializer: Callable[..., object], arguments: Sequence[object]) -> None:
        self.task = task
        self.initializer = initializer
        self.arguments = tuple(arguments)
        self.batch = uuid.uuid4().hex
        self._ready = False
        self._fault: Exception | SystemExit | None = None

    @property
    def awaits(self) -> bool:
        return self.task.awaits

    @property
    def needs_folder(self) -> str:
        return self.task.needs_folder

    @property
    def secret(self) -> str:
        return self.task.secret

    def load(self) -> None:
        self.task.load()

    def prepare(self) -> None:
        """Call the initializer, the first time. Its exception becomes the error of every item here."""
        if self._ready:
            return
        try:
            self.initializer(*self.arguments)
        except (Exception, SystemExit) as fault:  # noqa: BLE001  # whatever it is, it is told for each item
            self._fault = fault
        self._ready = True

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        """Raises :class:`~batchmill.errors.InitializerFailed` where the initializer failed."""
        self._check()
        return self.task.run(item, index, attempt)

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> object:
        """As :meth:`run`."""
        self._check()
        return await self.task.run_async(item, index, attempt)

    def _check(self) -> None:
        self.prepare()
        if self._fault is None:
            return
        name = type(self._fault).__name__
        raise InitializerFailed(f"the initializer failed: {name}: {text_of(self._fault)}") from self._fault

    def __deepcopy__(self, memo: dict[int, object]) -> Prepared:
        return Prepared(copy_task(self.task), self.initializer, self.arguments)
