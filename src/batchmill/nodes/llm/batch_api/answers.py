"""A server's answers to the requests of a finished batch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import IO, NamedTuple

from batchmill.nodes.llm.completion import mapping_of

OK = 200
_TYPES = {
    "expired": "BatchExpired",
    "cancelled": "BatchCancelled",
    "failed": "BatchFailed",
    "gone": "BatchGone",
}


_MISSING = "BatchAnswerMissing"
_UNKNOWN = (_MISSING, "BatchGone")


class BatchAnswer(NamedTuple):
    """The answer to one request: its HTTP ``status``, 0 if there was no such answer, and its ``body``;
    otherwise the ``type`` and ``message`` of the error. ``call`` names the call, the same each time it is
    read."""

    status: int
    body: bytes
    type: str = ""
    message: str = ""
    call: str = ""

    @property
    def paid(self) -> bool:
        """Whether the request may be charged for: it has an answer, or its fate is unknown."""
        return self.status == OK or self.type in _UNKNOWN


class Answers:
    """The answers of one batch, in an unnamed temporary file, by the ids of their requests. Made of the
    server's reports on the batch. Used by one thread."""

    def __init__(self, token: str, told: Mapping[str, object]) -> None:
        self._token = token
        self._told = told
        self.file: IO[bytes] = tempfile.TemporaryFile(prefix="batchmill-answers-")  # noqa: SIM115  # ends with it
        self.lost: list[str] = []  # files that the server does not have any more
        self._lines: dict[str, tuple[int, int]] = {}

    def index(self) -> None:
        """Look through the file, once all of it is there."""
        self.file.seek(0)
        start = 0
        answered: set[str] = set()  # where a server tells of one request twice, its answer counts
        for line in iter(partial(self.file.readline), b""):
            told = _read(line)
            if isinstance(name := told.get("custom_id"), str) and name not in answered:
                self._lines[name] = (start, len(line))
                if mapping_of(told.get("response")).get("status_code") == OK:
                    answered.add(name)
            start += len(line)

    def of(self, name: str) -> BatchAnswer:
        """The answer to the request of that name."""
        found = self._lines.get(name)
        call = f"{self._token}-{name.rpartition('-')[2]}"
        if found is None:
            return BatchAnswer(0, b"", *self._of_the_batch(), call)
        self.file.seek(found[0])
        told = _read(self.file.read(found[1]))
        response = mapping_of(told.get("response"))
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and body is not None:
            written = body if isinstance(body, str) else json.dumps(body)
            return BatchAnswer(status, written.encode("utf-8", "surrogatepass"), call=call)
        error = mapping_of(told.get("error"))
        code, message = str(error.get("code") or ""), str(error.get("message") or error.get("code") or "")
        kind = _TYPES["expired"] if code == "batch_expired" else "BatchRequestFailed"
        return BatchAnswer(0, b"", kind, message or "the server told no reason", call)

    def _of_the_batch(self) -> tuple[str, str]:
        """The error of a request that the server does not mention: what it says about the batch."""
        status, name = str(self._told.get("status") or ""), self._told.get("id")
        data = mapping_of(self._told.get("errors")).get("data")
        said = [mapping_of(one) for one in data] if isinstance(data, list) else []
        words = "; ".join(f"{one.get('message') or one.get('code')}" for one in said[:3])
        if self.lost:
            lost = f"the server does not have the file {self.lost[0]} of the batch {name} any more"
            return _MISSING, f"{lost}, and there is no answer to the request elsewhere; it may be charged"
        if status in _TYPES:
            how = "is not known to the server any more" if status == "gone" else f"has {_verb(status)}"
            return _TYPES[status], f"the batch {name} {how} and the request was not answered" + (
                f": {words}" if words else ""
            )
        return (
            _MISSING,
            f"the batch {name} is {status}, and there is no answer to the request in it",
        )


def _verb(status: str) -> str:
    return "been cancelled" if status == "cancelled" else status


def _read(line: bytes) -> Mapping[str, object]:
    try:
        return mapping_of(json.loads(line))
    except (ValueError, RecursionError):
        return {}
