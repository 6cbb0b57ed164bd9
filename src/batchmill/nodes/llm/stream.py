"""Assemble answers that come as a stream of server-sent events."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from batchmill.nodes.llm.faults import CutOff
from batchmill.nodes.llm.telling import Telling

EVENT_STREAM = "text/event-stream"
_WHOLE = frozenset({"id", "role", "type", "name"})  # parts of a message that come in one piece
_DONE = b"[DONE]"
_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)  # a CR at the end of a piece may be half of one


class ServerEvents:
    """The data of the events in a stream of bytes. Lines end with CR, LF or both; the stream may begin with a
    byte order mark."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._first = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events that ``piece`` completes."""
        *lines, self._rest = _END_OF_LINE.split(self._rest + piece)
        for line in lines:
            yield from self._taken(line)

    def end(self) -> Iterator[bytes]:
        """The event before the end, if its final empty line is missing."""
        yield from self._taken(self._rest.removesuffix(b"\r"))
        yield from self._taken(b"")

    def _taken(self, line: bytes) -> Iterator[bytes]:
        if self._first:
            self._first, line = False, line.removeprefix(BOM_UTF8)
        if not line:
            data, self._data = self._data, []
            if data:
                yield b"\n".join(data)
        elif line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))


class PartialAnswer(ABC):
    """One answer that comes in parts. ``over`` says that it is complete, ``began`` that a part had text."""

    def __init__(self, telling: Telling | None) -> None:
        self._telling = telling
        self.over = self.began = False

    @abstractmethod
    def add(self, part: Mapping[str, object]) -> None:
        """Add the content of an event."""

    @abstractmethod
    def whole(self) -> Mapping[str, Any]:
        """The answer as it would be in one piece."""

    def tell(self, text: object, kind: Any = "text", choice: int = 0) -> None:
        """Pass further text to the listeners."""
        if not isinstance(text, str) or not text:
            return
        self.began = True
        if self._telling is not None:
            self._telling.add(text, kind, choice)


class PartialChat(PartialAnswer):
    """Builds a chat completion from its chunks."""

    def __init__(self, telling: Telling | None) -> None:
        super().__init__(telling)
        self._rest: dict[str, object] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._fault: Any = None

    def add(self, part: Mapping[str, object]) -> None:
        if part.get("error"):
            self._fault, self.over = part["error"], True
            return
        told = {key: value for key, value in part.items() if key != "choices" and value is not None}
        self._rest |= told
        choices = part.get("choices")
        for one in choices if isinstance(choices, list) else ():
            if isinstance(one, Mapping):
                self._add_choice(one)
        ended = [choice.get("finish_reason") for choice in self._choices.values()]
        self.over = bool(ended) and all(ended)

    def _add_choice(self, told: Mapping[str, object]) -> None:
        number = told.get("index")
        number = number if isinstance(number, int) else 0
        choice = self._choices.setdefault(number, {"index": number, "message": {"role": "assistant"}})
        delta = told.get("delta")
        if isinstance(delta, Mapping):
            _merge(choice["message"], delta)
            self.tell(delta.get("content"), "text", number)
            self.tell(delta.get("reasoning_content") or delta.get("reasoning"), "reasoning", number)
        _merge(choice, {key: one for key, one in told.items() if key in ("finish_reason", "logprobs")})

    def whole(self) -> Mapping[str, Any]:
        if self._fault is not None:
            return {**self._rest, "error": self._fault}
        choices = [self._choices[number] for number in sorted(self._choices)]
        return {**self._rest, "object": "chat.completion", "choices": choices}


def _merge(into: dict[str, Any], more: Mapping[str, object]) -> None:
    """Merge a further part into an object: text is appended, lists grow, elements are matched by
    ``index``."""
    for key, value in more.items():
        had = into.get(key)
        if value is None:
            into.setdefault(key, None)
        elif isinstance(had, str) and isinstance(value, str) and key not in _WHOLE:
            into[key] = had if key == "finish_reason" else had + value
        elif isinstance(had, dict) and isinstance(value, Mapping):
            _merge(had, value)
        elif isinstance(value, list):
            into[key] = had if isinstance(had, list) else []
            _extend(into[key], value)
        elif isinstance(value, Mapping):
            into[key] = {}
            _merge(into[key], value)
        elif value != "" or not had:
            into[key] = value


def _extend(into: list[Any], more: list[Any]) -> None:
    for one in more:
        index = one.get("index") if isinstance(one, Mapping) else None
        there = [had for had in into if isinstance(had, dict) and had.get("index") == index]
        if index is not None and there:
            _merge(there[0], one)
        elif isinstance(one, Mapping):
            into.append({})
            _merge(into[-1], one)
        else:
            into.append(one)


async def gathered(pieces: AsyncIterator[bytes], gathering: PartialAnswer) -> bytes:
    """The answer in a stream, as the body that it would have in one piece.

    Raises :class:`CutOff` for a stream that ends before the answer has.
    """
    events = ServerEvents()
    async for piece in pieces:
        if any(_ends(gathering, data) for data in events.feed(piece)):
            break
    else:
        for data in events.end():
            _ends(gathering, data)
        if not gathering.over:
            raise CutOff("the stream ended before the answer did")
    return json.dumps(gathering.whole()).encode()


def _ends(gathering: PartialAnswer, data: bytes) -> bool:
    """Take in an event; whether it is the last one."""
    if data.strip() == _DONE:
        return True
    try:
        part = json.loads(data)
    except (ValueError, RecursionError):
        part = None
    if not isinstance(part, dict):
        raise CutOff("the stream holds what is no part of an answer")
    gathering.add(part)
    return False
