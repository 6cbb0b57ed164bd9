"""A task without the folder of the run: files that it leaves in its working folder would be lost."""

from __future__ import annotations

import socket
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import LeftOnWorker
from batchmill.executors.contract import Task
from batchmill.executors.process.environment import ProcessEnvironment


class LeavesNothing(Task):
    """``task`` in the environment ``around``: an attempt that leaves files there fails, naming them."""

    def __init__(self, task: Task, around: ProcessEnvironment) -> None:
        self._task = task
        self._around = around

    def load(self) -> None:
        self._task.load()

    def prepare(self) -> None:
        self._task.prepare()

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        """Raises :class:`LeftOnWorker`."""
        try:
            value = self._task.run(item, index, attempt)
        except BaseException:
            self._around.left_behind()
            raise
        left = self._around.left_behind()
        if left:
            names = ", ".join(map(repr, left[:3])) + (" and more" if len(left) > 3 else "")
            raise LeftOnWorker(
                f"the item wrote {names} into the folder it runs in, but {socket.gethostname()} does not "
                "have the folder of the run, so nobody would find that; return the content, write to a path "
                "that all machines share, or say with `cwd` of `cluster` in which folder workers run items"
            )
        return value
