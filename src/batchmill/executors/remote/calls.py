"""Calls of an agent that are made where they are unpickled.

So a carrier needs no function of ours there, only :func:`pickle.loads`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchmill.executors.remote import agent
from batchmill.executors.remote.folder_probe import Probe
from batchmill.executors.remote.offer import facts


class Call:
    """An order that runs where it is unpickled, which leaves the reply."""

    def __init__(self, order: bytes) -> None:
        self._order = order

    def __reduce__(self) -> tuple[Any, ...]:
        return agent.run, (self._order,)


class StopCall:
    """Like :class:`Call`, for the end of a batch."""

    def __init__(self, batch: str, *, cancel: bool) -> None:
        self._batch = batch
        self._cancel = cancel

    def __reduce__(self) -> tuple[Any, ...]:
        return agent.stop, (self._batch, self._cancel)


class RecallCall:
    """Like :class:`Call`, for :meth:`~batchmill.executors.remote.agent.Agent.recall`."""

    def __init__(self, keys: Sequence[str], most: int) -> None:
        self._told = list(keys), most

    def __reduce__(self) -> tuple[Any, ...]:
        return agent.recall, self._told


class FactsCall:
    """Like :class:`Call`, for the facts of the worker: :func:`batchmill.executors.remote.offer.facts`."""

    def __init__(self, probe: Probe | None) -> None:
        self._probe = probe

    def __reduce__(self) -> tuple[Any, ...]:
        return facts, (self._probe,)
