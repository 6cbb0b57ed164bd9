"""A reply that comes as a stream of events. If the stream breaks off, one event more tells the call of it.

The SDK ends the whole session when a stream ends without the reply, or lets the call wait until its timeout.
A stream whose events have ids is left to it, as it can ask for what is missing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")  # of an event
_LINES = re.compile(rb"\r\n|\n|\r")


class EventReader:
    """Divides a stream into whole events, and knows whether the reply to the request ``identity`` was one of
    them, and whether the stream can be resumed."""

    def __init__(self, identity: int | str) -> None:
        self._identity = identity
        self._begun = b""  # of an event
        self.replied = False
        self.resumable = False

    def whole(self, data: bytes) -> bytes:
        """The events that ``data`` completes."""
        looked_at = max(0, len(self._begun) - 3)
        self._begun += data
        end = 0
        for found in _END.finditer(self._begun, looked_at):
            self._look_at(self._begun[end : found.start()])
            end = found.end()
        events, self._begun = self._begun[:end], self._begun[end:]
        return events

    def _look_at(self, event: bytes) -> None:
        data = []
        for line in _LINES.split(event):
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
            elif name == b"id" and value.strip():
                self.resumable = True
        try:
            message = json.loads(b"\n".join(data)) if data else None
        except ValueError:  # the SDK says so
            return
        reply = isinstance(message, dict) and "method" not in message and message.get("id") == self._identity
        self.replied = self.replied or reply


def with_an_end(stream: Any, identity: int | str, failure: Callable[[Exception | None], bytes]) -> Any:
    """``stream``, with one event more if it ends without the reply to the request ``identity``: what
    ``failure`` makes of the exception that ended it, or of None."""
    library: Any = sys.modules[type(stream).__module__.partition(".")[0]]

    class Ended(library.AsyncByteStream):  # type: ignore[misc]  # there are two libraries with such a class
        async def __aiter__(self) -> AsyncIterator[bytes]:
            reader, fault = EventReader(identity), None
            try:
                async for piece in stream:
                    if events := reader.whole(piece):
                        yield events
            except Exception as error:  # whatever the library raises
                if reader.replied or reader.resumable:
                    raise
                fault = error
            if not reader.replied and not reader.resumable:
                yield b"event: message\ndata: " + failure(fault) + b"\n\n"

        async def aclose(self) -> None:
            await stream.aclose()

    return Ended()
