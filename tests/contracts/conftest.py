"""The executors the contract suite runs over; the sequential one is the reference."""

from __future__ import annotations

import pytest

EXECUTORS = ("sequential", "thread", "process", "auto")
PARALLEL = ("thread", "process", "auto")


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> str:
    """The name of each executor in turn."""
    return str(request.param)


@pytest.fixture(params=PARALLEL)
def parallel(request: pytest.FixtureRequest) -> str:
    """The name of each executor that runs items at the same time."""
    return str(request.param)
