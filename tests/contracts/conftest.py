"""The executors the contract suite runs over; the sequential one is the reference."""

from __future__ import annotations

import pytest

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", "auto", CLUSTER)
PARALLEL = ("thread", "process", "auto", CLUSTER)
ISOLATING = ("process", CLUSTER)


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> str:
    """The name of each executor in turn."""
    return str(request.param)


@pytest.fixture(params=PARALLEL)
def parallel(request: pytest.FixtureRequest) -> str:
    """The name of each executor that runs items at the same time."""
    return str(request.param)


@pytest.fixture(params=ISOLATING)
def isolating(request: pytest.FixtureRequest) -> str:
    """The name of each executor whose items may kill the process they run in."""
    return str(request.param)
