"""What ``batchmill map`` prints: what the command printed for each item, as the items come."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batchmill.cancel import CancelToken
from batchmill.cli.faults import say
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import DataStream
from batchmill.journal.contract import READER_LEFT
from batchmill.outcome import Block
from batchmill.plain import shown

_TOLD = ("stdout", "stderr", "exit_code")


@dataclass(frozen=True, slots=True)
class ItemsWanted:
    """What is to be printed of the outcomes of ``node``, a ``shell`` batch: ``results`` or only what goes to
    stderr, that too unless ``quiet``."""

    node: str
    as_json: bool
    results: bool
    quiet: bool


@dataclass(slots=True)
class ItemPrinter:
    """Prints blocks of outcomes as they come. Called by the run, in its own thread."""

    data: DataStream
    stop: CancelToken
    wanted: ItemsWanted

    def put(self, block: Block) -> None:
        """Print the results of a block; a reader that went away ends the run."""
        text = "".join(self._texts(block))
        if text and not self.data.broken:
            self.data.write(text)
        if self.data.broken:
            self.stop.cancel(READER_LEFT)

    def _texts(self, block: Block) -> Iterator[str]:
        for offset, entry in enumerate(block.values):
            if entry is not None and not self.wanted.quiet and entry["stderr"] and not self.wanted.as_json:
                say(entry["stderr"].rstrip("\n"))
            if self.wanted.results and self.wanted.as_json:
                yield as_json(_told(block, offset, entry)) + "\n"
            elif self.wanted.results and entry is not None:
                yield _printed(entry)


def _printed(entry: dict[str, Any]) -> str:
    """What a command printed, ended by a line end; of bytes that are no text, the bytes."""
    text: str = entry["stdout"]
    if entry["stdout_is_binary"]:
        text = base64.b64decode(text).decode("utf-8", "surrogateescape")
    return text if not text or text.endswith("\n") else text + "\n"


def _told(block: Block, offset: int, entry: dict[str, Any] | None) -> dict[str, Any]:
    """A result, or an error with the keys it has everywhere, as plain data."""
    item = shown(block.items[offset])
    if entry is not None:
        kept = {key: entry[key] for key in _TOLD}
        binary = {"stdout_is_binary": True} if entry["stdout_is_binary"] else {}
        return {"index": block.start + offset, "item": item, **kept, **binary}
    outcome = block.special[offset]
    outputs = outcome.error.outputs if outcome.error is not None else {}
    return {**outcome.as_error(item), **{key: outputs[key] for key in _TOLD if key in outputs}}
