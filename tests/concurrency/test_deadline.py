"""A bound on what is awaited."""

from __future__ import annotations

import asyncio

import pytest

from batchmill.concurrency.deadline import deadline
from batchmill.errors import AttemptTimeout


async def slow(seconds: float | None) -> str:
    async with deadline(seconds, "it took too long"):
        await asyncio.sleep(0.01 if seconds is None else 60)
    return "done"


def test_what_takes_too_long_is_given_up_with_those_words() -> None:
    with pytest.raises(AttemptTimeout, match=r"^it took too long$"):
        asyncio.run(slow(0.01))


def test_without_a_bound_nothing_is_given_up() -> None:
    assert asyncio.run(slow(None)) == "done"


def test_a_timeout_that_is_raised_inside_is_its_own() -> None:
    async def inside() -> None:
        async with deadline(60, "it took too long"):
            raise TimeoutError("another")

    with pytest.raises(TimeoutError, match="another") as raised:
        asyncio.run(inside())
    assert not isinstance(raised.value, AttemptTimeout)
