"""A timeout in seconds for a block that awaits."""

from __future__ import annotations

import asyncio
from types import TracebackType

from batchmill.errors import AttemptTimeout


class deadline:  # noqa: N801  # it is used like a function
    """``async with deadline(5, "too late")``: raises :class:`~batchmill.errors.AttemptTimeout` with that
    message if the block takes longer than so many seconds; None sets no limit. A timeout that the block
    raises itself passes through unchanged.

    A class instead of a generator, because thousands of calls wait in one each.
    """

    __slots__ = ("_clock", "_message")

    def __init__(self, seconds: float | None, message: str) -> None:
        self._clock = None if seconds is None else asyncio.timeout(seconds)
        self._message = message

    async def __aenter__(self) -> None:
        if self._clock is not None:
            await self._clock.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._clock is None:
            return
        try:
            await self._clock.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise AttemptTimeout(self._message) from late
