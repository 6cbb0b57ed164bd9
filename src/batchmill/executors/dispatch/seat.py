"""The worker of a driver as a :class:`~batchmill.executors.contract.Seat`: up, and with its job loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class WorkerSeat(NamedTuple):
    """See the module. ``warm_up`` returns whether the worker is there, ``lend`` gives it to others."""

    warm_up: Callable[[], bool]
    lend: Callable[[], None]

    def get(self) -> bool:
        return self.warm_up()

    def give_back(self) -> None:
        self.lend()
