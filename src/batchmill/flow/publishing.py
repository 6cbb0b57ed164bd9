"""Pieces of a result, sent to the listeners of a run while ``exec`` makes it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

from batchmill.events import Bus, Event, Published
from batchmill.flow.calls import NodeCall, Records, innermost
from batchmill.flow.running import FlowRun


def publish(piece: object) -> None:
    """Send a piece of what ``exec`` is making to the listeners of the run; without listeners it does nothing.

    Listeners are called in the thread or task that publishes, before this returns; pieces from a worker
    process arrive when their item has ended. If ``exec`` is a generator, the values it yields are published
    automatically. Raises :class:`RuntimeError` outside of a node.
    """
    call = innermost()
    if call is None:
        raise RuntimeError("nobody to publish for: publish() works inside `exec` of a node")
    _publish(call, piece)


def _publish(call: NodeCall, piece: object) -> None:
    run: FlowRun | None = call.run
    if run is None or not run.bus.heard:
        return
    address, index = type(call.node).__name__, None
    around: NodeCall | None = call
    while around is not None:
        index = around.index if index is None else index
        if around.place is not None:
            address = around.place.address
            break
        around = around.around
    run.bus.emit(Published(address, piece, index, call.retry + 1))


def pieces(value: object) -> Any:
    """Return what ``exec`` returned; in a saved or observed run, publish what a generator yields."""
    call = innermost()
    if call is None or call.run is None:
        return value
    if isinstance(value, AsyncGenerator):
        return _told_async(call, value)
    if isinstance(value, Generator) and not inspect.isawaitable(value):
        return _told(call, value)
    return value


def running() -> bool:
    """Whether the caller is part of a run that is saved or listened to."""
    call = innermost()
    return call is not None and call.run is not None


def _told(call: NodeCall, values: Iterator[object]) -> Iterator[Any]:
    for value in values:
        _publish(call, value)
        yield value


async def _told_async(call: NodeCall, values: AsyncIterator[object]) -> AsyncIterator[Any]:
    async for value in values:
        _publish(call, value)
        yield value


class Piece:
    """A piece published in another process; it travels with the records of its item."""

    __slots__ = ("event",)

    def __init__(self, event: Published) -> None:
        self.event = event

    def __reduce__(self) -> tuple[Any, ...]:
        return Piece, (self.event,)


def run_in_worker(records: Records) -> FlowRun:
    """The run as an item in another process sees it: it records what is published."""

    def heard(event: Event) -> None:
        if isinstance(event, Published):
            records.append(Piece(event))

    return FlowRun(bus=Bus([heard]))
