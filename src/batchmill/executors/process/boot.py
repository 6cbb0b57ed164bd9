"""The beginning of a worker process: the interpreter that :mod:`starting` starts.

It imports what workers need, and then waits for two pickles on its channel: what to prepare, and the process
to be. The descriptors of that process come with them. loky would run a module of its own here, and with it
import all of loky, which a worker does not need.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import select
import socket
import struct
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing import process, resource_tracker, spawn
from types import ModuleType
from typing import Any

SERVING = "batchmill.executors.process.child"
TRACKER = "loky.backend.resource_tracker"
LENGTH = struct.Struct("=Q")
MOST_DESCRIPTORS = 16
LOOK_MILLISECONDS = 1000  # between looks whether the parent is there: somebody else may hold its end open

_descriptors: list[int] = []


def main(channel: int, parent: int, places: list[str]) -> int:
    """Become the process that is described on the channel, and return its exit code when it has ended. Until
    then modules are looked for in ``places``, the module path of the parent."""
    sys.path[:] = places
    with contextlib.suppress(
        ImportError
    ):  # told when it is needed, with the path that the parent has by then
        import_module(SERVING)
    if (told := _told(channel, parent)) is None:
        return 0
    current: Any = process.current_process()
    current._inheriting = True
    try:
        spawn.prepare(pickle.load(told))  # noqa: S301  # from our own parent
        tracker: Any = resource_tracker
        tracker._resource_tracker._fd = passed(0)
        path: list[Any] = sys.meta_path
        path.insert(0, TrackerFinder(passed(1)))
        worker = pickle.load(told)  # noqa: S301  # same
    finally:
        del current._inheriting
    code: int = worker._bootstrap()
    return code


def passed(place: int) -> int:
    """A descriptor that came from the parent, as it is called here."""
    return _descriptors[place]


def _told(channel: int, parent: int) -> io.BytesIO | None:
    """What the parent sent; None if it is gone, or needs no worker any more. The channel stays open: the
    parent sees by its end that this process has ended."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while not poll.poll(LOOK_MILLISECONDS):
        if os.getppid() != parent:
            return None
    with socket.socket(fileno=os.dup(channel)) as same:
        same.setblocking(True)  # whatever the default for new ones is
        head, found, *_ = socket.recv_fds(same, LENGTH.size, MOST_DESCRIPTORS)
    _descriptors.extend(found)
    with open(channel, "rb", closefd=False) as pipe:
        content = pipe.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
    return io.BytesIO(content) if content else None


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
