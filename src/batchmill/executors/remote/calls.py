"""Calls of an agent that are made where they are unpickled.

So a carrier needs no function of ours there, only :func:`pickle.loads`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from batchmill.executors.remote import agent
from batchmill.executors.remote.folder_probe import Probe
from batchmill.executors.remote.offer import facts


class Call:
    """A call of a function with its arguments. Unpickling it makes the call, and leaves what that returns."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


class OrderCall(Call):
    """Run an order: leaves the reply."""

    def __init__(self, order: bytes) -> None:
        super().__init__(agent.run, order)


class StopCall(Call):
    """Stop or cancel a batch: see :meth:`~batchmill.executors.remote.agent.Agent.stop`."""

    def __init__(self, batch: str, *, cancel: bool) -> None:
        super().__init__(agent.stop, batch, cancel)


class RecallCall(Call):
    """Take orders back: see :meth:`~batchmill.executors.remote.agent.Agent.recall`."""

    def __init__(self, keys: Sequence[str], most: int) -> None:
        super().__init__(agent.recall, list(keys), most)


class FactsCall(Call):
    """Ask for the facts of the worker: :func:`batchmill.executors.remote.offer.facts`."""

    def __init__(self, probe: Probe | None) -> None:
        super().__init__(facts, probe)
