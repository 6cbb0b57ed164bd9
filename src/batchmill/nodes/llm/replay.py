"""The provider ``replay``: recorded answers, from a file of JSON lines.

Each line holds one answer under the fingerprint of its question: everything that could change the answer
(model, messages, temperature, limits, schema, options), but not the server or the key.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from batchmill.concurrency.resources import process_resource
from batchmill.errors import InternalError, NodeError
from batchmill.nodes.append import append_whole
from batchmill.nodes.files import in_words
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question
from batchmill.values.redaction import hidden_in, shortened

_PROMPT_CHARACTERS = 200  # of the prompt, for people who read the file
_MODE = 0o600  # answers may be anybody's business as little as what was asked
_log = logging.getLogger("batchmill.llm")


class Recording:
    """One file of answers, read as it grows.

    Concurrency: any thread may call any method; ``_lock`` guards ``_replies`` and ``_read``. Other
    processes may add to the file: each adds whole lines under a lock on the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._replies: dict[str, ModelReply] = {}
        self._read = 0  # bytes of the file that were read

    def find(self, key: str) -> ModelReply | None:
        """The answer under ``key``."""
        with self._lock:
            if key not in self._replies:
                self._read_on()
            return self._replies.get(key)

    def add(self, key: str, question: Question, reply: ModelReply) -> None:
        """Keep an answer; it is in the file when this returns, without secrets that it repeats."""
        entry = {
            "key": key,
            "model": question.model,
            "prompt": shortened(question.prompt, _PROMPT_CHARACTERS, more=""),
            "reply": asdict(replace(reply, call="")),
        }
        line = json.dumps(hidden_in(entry), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        with in_words("record an answer in", self._path), self._lock:
            append_whole(self._path, self._line_break() + line, _MODE)
            self._replies[key] = reply

    def close(self) -> None:
        """Nothing to close: no file is open between calls."""

    def _line_break(self) -> bytes:
        """A line break, if the last line was cut off by a full disk or a kill."""
        try:
            with open(self._path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                return b"" if file.read(1) == b"\n" else b"\n"
        except OSError:  # there is no file yet, or nothing in it
            return b""

    def _read_on(self) -> None:
        if not os.path.exists(self._path):
            return
        with in_words("read recorded answers from", self._path), open(self._path, "rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):  # still being written, or cut off
                    return
                self._read += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            self._replies[entry["key"]] = ModelReply(**entry["reply"])
        except (ValueError, LookupError, TypeError) as error:
            _log.warning("%s: skipped a line that is not a recorded answer: %s", self._path, error)


class ReplayProvider(Provider):
    """Plays back the answers in the file. For a missing one it calls the provider that ``source`` gives and
    adds the answer, or fails if ``source`` is None."""

    name = "replay"

    def __init__(self, path: str, source: Callable[[], Provider] | None) -> None:
        self._path = path
        self._source = source

    def recall(self, question: Question) -> ModelReply | None:
        found = self._recording().find(question.fingerprint())
        if found is None and self._source is None:
            message = f"there is no recorded answer to this question in {self._path!r}"
            raise NodeError(message, retryable=False, type_name="NotRecorded", outputs={"error": message})
        return found

    async def ask(self, request: ModelRequest) -> ModelReply:
        if self._source is None:
            raise InternalError("a recording was asked for more than it holds")
        return await self._source().ask(request)

    def keep(self, question: Question, reply: ModelReply) -> None:
        self._recording().add(question.fingerprint(), question, reply)

    def _recording(self) -> Recording:
        return process_resource(("llm recording", self._path), lambda: Recording(self._path))
