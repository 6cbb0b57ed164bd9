"""A bound in seconds on something that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from batchmill.errors import AttemptTimeout


async def within(seconds: float | None, work: Awaitable[Any]) -> Any:
    """Await ``work``. Raises :class:`AttemptTimeout` after ``seconds``, None for no bound."""
    if seconds is None:
        return await work
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            return await work
    except TimeoutError as error:
        if clock.expired():
            raise AttemptTimeout(f"no result within {seconds:g} s") from error
        raise
