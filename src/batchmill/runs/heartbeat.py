"""What a run is at, kept in its journal once a second, for who watches it from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from batchmill.graph.surroundings import Surroundings
from batchmill.journal.runlog import SqliteRunLog

EVERY_SECONDS = 1.0


@contextmanager
def beating(log: SqliteRunLog | None, around: Surroundings) -> Iterator[None]:
    """While the run is at work; nothing where it has no journal that anybody could read meanwhile."""
    if log is None or log.temporary:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(EVERY_SECONDS) and log.fault is None:
            log.beat({"nodes": around.under_way.look(), "limits": around.gates.look()})

    thread = threading.Thread(target=beat, name="batchmill-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
