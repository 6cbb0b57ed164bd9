"""Walk through a flow: in this thread, with its branches on threads, or in an event loop, with its branches
as tasks.

When a branch fails, the running steps of the others finish and nothing further of them begins; in an event
loop they are cancelled. Then the failure is raised, that of the first branch if several failed.
"""

from __future__ import annotations

import contextvars
import copy
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from batchmill.flow.branches import Together, Walk, Walked
from batchmill.flow.calls import NodeCall, tell_last
from batchmill.flow.gathering import BoundedGather
from batchmill.flow.keeping import prefix_of

Stops = tuple[threading.Event, ...]


class _Halted(Exception):
    """Raised in a branch that must begin nothing more, as another one has failed."""


class Walker:
    """Runs the nodes of one run of ``flow`` on ``shared``, each a shallow copy with ``params``.

    Concurrency: branches call in from their own threads; nothing here changes.
    """

    def __init__(self, flow: object, shared: object, params: object) -> None:
        self._flow = flow
        self._shared = shared
        self._params = params

    def make(self, walk: Walk, stops: Stops = ()) -> Walked:
        """Make a walk. Raises what nodes raise."""
        answer: Any = None
        with NodeCall(self._flow, self._shared) as call:
            while True:
                try:
                    asked = walk.send(answer)
                except StopIteration as end:
                    walked: Walked = end.value
                    return walked
                if isinstance(asked, Together):
                    answer = self._together(asked.walks, stops)
                    continue
                if any(one.is_set() for one in stops):
                    raise _Halted
                node = self._visited(asked.node, call)
                answer = node, node._run(self._shared), call.last

    def _visited(self, node: Any, call: NodeCall) -> Any:
        if call.run is not None:
            call.visiting, call.place = True, None
            call.place = call.run.place_of(self._flow, node, prefix_of(call.around))
        visited = copy.copy(node)
        visited.set_params(self._params)
        return visited

    def _together(self, walks: list[Walk], stops: Stops) -> list[Walked]:
        if len(walks) == 1:
            return [self.make(walks[0], stops)]
        failed = threading.Event()

        def branch(walk: Walk) -> Walked:
            try:
                return self.make(walk, (*stops, failed))
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(len(walks), "batchmill-branch") as threads:
            try:
                running = [threads.submit(contextvars.copy_context().run, branch, walk) for walk in walks]
                faults = [one.exception() for one in running]
            except BaseException:  # Ctrl-C: what runs goes on to its end, and nothing else begins
                failed.set()
                raise
        real = [one for one in faults if one is not None and not isinstance(one, _Halted)]
        if real:
            raise real[0]
        if any(one is not None for one in faults):
            raise _Halted  # the branch around these is ended
        return [one.result() for one in running]


def told(walked: Walked) -> Any:
    """The last action of a completed walk; the flow's call stores the result."""
    _, ends = walked
    tell_last(ends.result)
    return ends.action


class AsyncWalker(Walker):
    """A :class:`Walker` in an event loop; ``run`` awaits a node."""

    def __init__(
        self, flow: object, shared: object, params: object, run: Callable[[Any], Awaitable[object]]
    ) -> None:
        super().__init__(flow, shared, params)
        self._run = run

    async def make_async(self, walk: Walk) -> Walked:
        """Make a walk. Raises what nodes raise."""
        answer: Any = None
        with NodeCall(self._flow, self._shared) as call:
            while True:
                try:
                    asked = walk.send(answer)
                except StopIteration as end:
                    walked: Walked = end.value
                    return walked
                if isinstance(asked, Together):
                    gathering = BoundedGather(lambda walk, _: self.make_async(walk), on_failure="cancel")
                    answer = await gathering.run(asked.walks)
                    continue
                node = self._visited(asked.node, call)
                answer = node, await self._run(node), call.last
