"""The running batches of a run, for observers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batchmill.batch.engine import Batch
from batchmill.values.words import is_inside_item

MOST_OLDEST = 5


class UnderWay:
    """Concurrency: any thread may call any method; ``_lock`` guards ``_batches``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: dict[str, Batch] = {}

    @contextmanager
    def shown(self, place: str, batch: Batch) -> Iterator[None]:
        """While the batch at an address is run."""
        with self._lock:
            self._batches[place] = batch
        try:
            yield
        finally:
            with self._lock:
                self._batches.pop(place, None)

    def look(self) -> dict[str, object]:
        """By address, how many items are ``in_flight`` (handed to workers), and the ``oldest`` of them with
        their seconds. Batches inside items are left out, because there may be very many; the one around them
        reports."""
        with self._lock:
            batches = {place: one for place, one in self._batches.items() if not is_inside_item(place)}
        found: dict[str, Any] = {}
        for place, batch in batches.items():
            count, oldest = batch.under_way(MOST_OLDEST)
            told = [[index, round(seconds, 3)] for index, seconds in oldest]
            found[place] = {"in_flight": count, "oldest": told}
        return found
