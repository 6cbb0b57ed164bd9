"""The beginning of a worker process, which loky starts as ``python -m`` this module.

loky would run a module of its own here, and with it import all of loky, which a worker does not need. This
one reads the same two pickles from the pipe: what to prepare, and the process to be.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing import process, resource_tracker, spawn
from types import ModuleType
from typing import Any

TRACKER = "loky.backend.resource_tracker"


def main(descriptor: int) -> int:
    """Become the process that is described in the pipe, and return its exit code when it has ended."""
    current: Any = process.current_process()
    with os.fdopen(descriptor, "rb") as pipe:
        current._inheriting = True
        try:
            data = pickle.load(pipe)  # noqa: S301  # from our own parent
            spawn.prepare(data)
            tracker: Any = resource_tracker
            tracker._resource_tracker._fd = _descriptor(data, "mp_tracker")
            path: list[Any] = sys.meta_path
            path.insert(0, TrackerFinder(_descriptor(data, "tracker")))
            worker = pickle.load(pipe)  # noqa: S301  # same
        finally:
            del current._inheriting
    code: int = worker._bootstrap()
    return code


def _descriptor(data: dict[str, Any], of: str) -> Any:
    """That of a tracker's pipe, under the name that the parent's version of loky gives it."""
    return data[f"{of}_fd"] if f"{of}_fd" in data else data[f"{of}_args"]["fd"]


class TrackerFinder:
    """A finder and loader of modules: has loky, if an item imports it, use the tracker of the parent. A
    tracker that is started here would be killed with this process, and leave what it tracks.

    It has no base class, as :mod:`importlib.abc` imports more than all of this module.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._real: Any = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != TRACKER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = self
            self._real, spec.loader = spec.loader, loader
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._real.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        tracker: Any = module
        tracker._resource_tracker._fd = self._descriptor
        path: list[Any] = sys.meta_path
        path.remove(self)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[sys.argv.index("--pipe") + 1])))
