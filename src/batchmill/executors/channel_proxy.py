"""A channel in front of another one: what it does not do differently it passes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchmill.block import Block
from batchmill.executors.contract import Channel, Chunk, Seat


class ChannelProxy:
    """A :class:`~batchmill.executors.contract.Channel` that is ``channel`` in all that is not overridden.

    Concurrency: that of ``channel``; nothing is kept here.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def stopped(self) -> bool:
        return self._channel.stopped

    @property
    def instant(self) -> bool:
        return self._channel.instant

    @property
    def starving(self) -> bool:
        return self._channel.starving

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        return self._channel.take(most, ahead, consumes=consumes, seat=seat)

    def give_back(self, chunk: Chunk) -> None:
        self._channel.give_back(chunk)

    def deliver(self, block: Block) -> None:
        self._channel.deliver(block)

    def fail(self, error: BaseException) -> None:
        self._channel.fail(error)

    def more(self) -> bool:
        return self._channel.more()

    def remaining(self) -> int | None:
        return self._channel.remaining()

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._channel.on_stop(callback)

    def on_idle(self, callback: Callable[[], None]) -> None:
        self._channel.on_idle(callback)

    def blocks(self) -> Iterator[Block]:
        return self._channel.blocks()

    def ready(self) -> Iterator[Block]:
        return self._channel.ready()

    def stop(self) -> None:
        self._channel.stop()

    def wait_idle(self, seconds: float) -> bool:
        return self._channel.wait_idle(seconds)
