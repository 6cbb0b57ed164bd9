"""A cluster of threads in this process, in the place of the one that the executor `dask` finds by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from batchmill.executors.remote import where
from batchmill.executors.remote.futures import LoopCarrier

Use = Callable[[LoopCarrier], LoopCarrier]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """``use(carrier)``: what batches of the executor `dask` are sent over; closed after the test."""
    monkeypatch.delenv(where.VARIABLE, raising=False)
    key = os.getpid(), "dask", ""
    used: list[LoopCarrier] = []

    def put(carrier: LoopCarrier) -> LoopCarrier:
        used.append(carrier)
        monkeypatch.setitem(where._carriers, key, carrier)
        return carrier

    yield put
    for carrier in used:
        carrier.close()


@pytest.fixture
def loop(use: Use) -> LoopCarrier:
    """A carrier with two seats."""
    return use(LoopCarrier(2))
