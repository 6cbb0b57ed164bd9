"""A bound in seconds on what is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchmill.errors import AttemptTimeout


@asynccontextmanager
async def deadline(seconds: float | None, message: str) -> AsyncIterator[None]:
    """Raises :class:`~batchmill.errors.AttemptTimeout` with ``message`` where what is inside takes longer
    than ``seconds``, None for no bound. A timeout of its own that is raised inside goes on as it is."""
    try:
        async with asyncio.timeout(seconds) as clock:
            yield
    except TimeoutError as error:
        if clock.expired():
            raise AttemptTimeout(message) from error
        raise
