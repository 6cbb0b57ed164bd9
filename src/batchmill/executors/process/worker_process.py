"""A worker process as :mod:`multiprocessing` sees it, on both sides. Imports only what a worker needs."""

from __future__ import annotations

import importlib
from multiprocessing.process import BaseProcess
from typing import Any

depth = 0
"""How many worker processes this process is in: 0 for one that is no worker."""


class ServingProcess(BaseProcess):
    """Calls the function ``name`` of the module ``home`` with ``arguments``; the module is imported there,
    not here. ``level`` is its :data:`depth`."""

    # Processes that an item starts by multiprocessing begin clean, as this process did.
    _start_method = "spawn"

    def __init__(self, home: str, name: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(name="batchmill-worker")
        self._home = home
        self._function = name
        self._arguments = arguments
        self._level = depth + 1
        self.authkey = self.authkey  # as a property it would be that of the new process

    @staticmethod
    def _Popen(process: ServingProcess) -> Any:  # noqa: N802  # the name multiprocessing gives it
        return importlib.import_module("batchmill.executors.process.loky_private").Popen(process)

    def run(self) -> None:
        """In the worker."""
        global depth
        depth = self._level
        getattr(importlib.import_module(self._home), self._function)(*self._arguments)
