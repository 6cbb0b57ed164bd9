"""The first worker process of a program, started before its batch imports everything else.

The worker boots on another core meanwhile. This module imports nothing itself, because its caller has
imported nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sized
from importlib import import_module
from typing import Any

STARTING = "batchmill.executors.process.starting"
POOL = "batchmill.executors.process.pool"


def start_worker_ahead(items: Any) -> None:
    """Start an interpreter and make a worker of it, for a batch of ``items`` that is about to run. Does
    nothing if this process has a pool already, may have none, or there are no items. Raises nothing: what
    hinders it, the batch meets too and tells."""
    if POOL in sys.modules or _are_none(items):
        return
    known = sys.modules.get("multiprocessing.process")
    if known is not None and known.current_process().daemon:
        return
    try:
        import_module(STARTING).start_ahead()
        import_module(POOL).shared_pool().start_ahead()
    except Exception:  # noqa: BLE001, S110  # see above
        pass


def _are_none(items: Any) -> bool:
    try:
        return isinstance(items, Sized) and len(items) == 0
    except Exception:  # noqa: BLE001  # the user's own `__len__`: asked again where faults are told
        return True
