"""Read a server's stderr as it comes, so that the server never blocks, and keep the end of it."""

from __future__ import annotations

import asyncio
import os
from typing import TextIO

from batchmill.values.redaction import shortened

KEPT_BYTES = 16384
_SHOWN_CHARACTERS = 500


class Stderr:
    """A pipe whose last output is kept. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._kept = b""
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.writing: TextIO = os.fdopen(writing, "w")
        asyncio.get_running_loop().add_reader(self._reading, self._take)

    def _take(self) -> None:
        try:
            data = os.read(self._reading, 65536)
        except BlockingIOError:
            return
        self._kept = (self._kept + data)[-KEPT_BYTES:]
        if not data:
            asyncio.get_running_loop().remove_reader(self._reading)

    def started(self) -> None:
        """The server holds the writing end; ours would keep its end from being seen."""
        self.writing.close()

    def close(self) -> None:
        """Read what is there and close the pipe."""
        self.writing.close()
        self._take()
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def last_words(self) -> str:
        """The end of the output, on one line; empty if there is none."""
        text = " ".join(self._kept.decode("utf-8", "replace").split())
        return shortened(text, _SHOWN_CHARACTERS, "end")
