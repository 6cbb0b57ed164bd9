"""An item of ``batchmill map`` as one line of JSON, even if its command printed much."""

from __future__ import annotations

import base64
import codecs
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchmill.cli.json_text import as_json
from batchmill.journal.records import ItemRecord
from batchmill.nodes.command import STREAMS
from batchmill.outcome import Outcome
from batchmill.values import shown

CHUNK = 3 << 16  # bytes read at once; so many make whole groups of base64


@dataclass(frozen=True, slots=True)
class Printed:
    """The output of a command to one stream: text with ``surrogateescape``, or the file that has it."""

    text: str = ""
    path: str | None = None

    @classmethod
    def of(cls, outputs: Mapping[str, Any], stream: str) -> Printed:
        """That of an item with these outputs."""
        return cls(str(outputs.get(stream) or ""), outputs.get(f"{stream}_file"))

    def __bool__(self) -> bool:
        return bool(self.text) or self.path is not None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, some at a time. Raises OSError if the file is gone."""
        if self.path is None:
            if self.text:
                yield self.text.encode("utf-8", "surrogateescape")
            return
        with open(self.path, "rb", buffering=0) as file:
            while chunk := _filled(file.fileno()):
                yield chunk

    def size(self) -> int:
        """Bytes; 0 if the file is gone."""
        if self.path is None:
            return len(self.text.encode("utf-8", "surrogateescape"))
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def is_text(self) -> bool:
        """Whether it is UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for chunk in self.chunks():
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def json_pieces(self, is_text: bool) -> Iterator[str]:
        """A JSON string with the text, or with the bytes in base64, in pieces."""
        yield '"'
        decoder = codecs.getincrementaldecoder("utf-8")()
        for chunk in self.chunks():
            text = decoder.decode(chunk) if is_text else base64.b64encode(chunk).decode("ascii")
            yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield '"'


def in_memory(outputs: Mapping[str, object]) -> dict[str, Any]:
    """The outputs of an item of ``map`` with its whole output in memory, of any size."""
    whole: dict[str, Any] = {key: value for key, value in outputs.items() if not key.endswith("_file")}
    for stream in STREAMS:
        if stream in outputs:
            printed = Printed.of(outputs, stream)
            is_text = printed.is_text()
            whole[stream] = json.loads("".join(printed.json_pieces(is_text)))
            if not is_text:
                whole[f"{stream}_is_binary"] = True
    return whole


def as_shown(one: ItemRecord) -> ItemRecord:
    """An item of a run of ``map`` for display: with the output of its command, as text or in base64."""
    value = in_memory(one.value) if isinstance(one.value, dict) else one.value
    error = one.error
    if error is not None and isinstance(error.get("outputs"), dict):
        error = {**error, "outputs": in_memory(error["outputs"])}
    return replace(one, value=value, error=error)


def _filled(number: int) -> bytes:
    """The next :data:`CHUNK` bytes of a file; fewer at its end only."""
    found = b""
    while len(found) < CHUNK and (more := os.read(number, CHUNK - len(found))):
        found += more
    return found


def row_pieces(
    index: int, item: object, outputs: Mapping[str, object], failed: Outcome | None
) -> Iterator[str]:
    """The line of one item, in pieces: ``index``, ``item``, ``stdout``, ``stderr`` and ``exit_code``; for a
    failed item, its error comes before them. Output that is not UTF-8 is base64, and ``stdout_is_binary``
    then says so."""
    shown_item = shown(item)
    head = {"index": index, "item": shown_item} if failed is None else failed.as_error(shown_item)
    yield as_json(head)[:-1]
    binary = {}
    for stream in STREAMS:
        if stream not in outputs:
            continue
        printed = Printed.of(outputs, stream)
        is_text = printed.is_text()
        if not is_text:
            binary[f"{stream}_is_binary"] = True
        yield f', "{stream}": '
        yield from printed.json_pieces(is_text)
    tail = {name: outputs[name] for name in ("exit_code",) if name in outputs} | binary
    yield f", {as_json(tail)[1:]}\n" if tail else "}\n"
